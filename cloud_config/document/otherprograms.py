"""Keys of other programs that write ``#cloud-config``, with what to write here instead.

Only keys that this program does not know; what both know means the same in both,
or :mod:`~cloud_config.document.catalogue` says otherwise.

Source: cloud-init 25.1, "Module reference"; k3os 0.11 and Kairos, configuration
references; RancherOS 1.5, "Configuration".
"""

from __future__ import annotations

from typing import Final

Advice = tuple[tuple[str, str], ...]
"""Pairs of a key, with underscores, and what to do; the latter begins with the program."""

_UNIT = "a key of cloud-init; write a unit, see coreos.units"
_IMAGE = "a key of cloud-init; the image is read-only: take what you need in a container"
_PASSWORD = "a key of cloud-init; give users a passwd, a hash as `openssl passwd -6` prints it"  # noqa: S105 - advice
_SSHD = "a key of cloud-init; write a file below /etc/ssh/sshd_config.d"
_KEYS = "a key of cloud-init; list the keys in ssh_authorized_keys"
_DISKS = "a key of cloud-init; use storage.filesystems"
_CONTAINERS = "a key of cloud-init; take it in a container, see podman.quadlets"
_K3OS = "a key of k3os; "
_KAIROS = "a key of Kairos; "
_RANCHER = "a key of RancherOS; "

TOP: Final[Advice] = (
    ("apk_repos", _IMAGE),
    ("apt", _IMAGE),
    ("apt_update", _IMAGE),
    ("apt_upgrade", _IMAGE),
    ("packages", _IMAGE),
    ("snap", _IMAGE),
    ("yum_repos", _IMAGE),
    ("zypper", _IMAGE),
    ("package_update", "a key of cloud-init; updates come as images"),
    ("package_upgrade", "a key of cloud-init; updates come as images"),
    ("package_reboot_if_required", "a key of cloud-init; use coreos.update"),
    ("runcmd", "a key of cloud-init; write a unit, or give a script as user data"),
    ("bootcmd", _UNIT),
    ("final_message", _UNIT),
    ("phone_home", _UNIT),
    ("power_state", _UNIT),
    ("chpasswd", _PASSWORD),
    ("password", _PASSWORD),
    ("ssh_pwauth", _SSHD),
    ("disable_root", _SSHD),
    ("no_ssh_fingerprints", _SSHD),
    ("ssh", _SSHD),
    ("ssh_deletekeys", "a key of cloud-init; host keys are made once for each disk"),
    ("ssh_genkeytypes", "a key of cloud-init; host keys are made once for each disk"),
    ("ssh_keys", "a key of cloud-init; write host keys below /etc/ssh by write_files"),
    ("ssh_import_id", _KEYS),
    ("allow_public_ssh_keys", _KEYS),
    ("user", "a key of cloud-init; the user is core, others go into users"),
    ("system_info", "a key of cloud-init; the user is core, others go into users"),
    ("groups", "a key of cloud-init; a group is made with a user of its name"),
    ("fqdn", "a key of cloud-init; use hostname"),
    ("prefer_fqdn_over_hostname", "a key of cloud-init; hostname is taken as it is"),
    ("preserve_hostname", "a key of cloud-init; leave hostname out"),
    ("create_hostname_file", "a key of cloud-init; leave hostname out"),
    ("locale", "a key of cloud-init; there is one locale, C.UTF-8"),
    ("keyboard", "a key of cloud-init; the console has the US layout"),
    ("disk_setup", _DISKS),
    ("fs_setup", _DISKS),
    ("device_aliases", _DISKS),
    ("mounts", "a key of cloud-init; use storage.filesystems, or a .mount unit"),
    ("swap", "a key of cloud-init; write a .swap unit"),
    ("growpart", "a key of cloud-init; the state partition grows by itself"),
    ("resize_rootfs", "a key of cloud-init; the state partition grows by itself"),
    ("manage_resolv_conf", "a key of cloud-init; set DNS= in network.units"),
    ("resolv_conf", "a key of cloud-init; set DNS= in network.units"),
    ("random_seed", "a key of cloud-init; the system keeps a seed by itself"),
    ("rsyslog", "a key of cloud-init; write a unit that sends the journal on"),
    ("wireguard", "a key of cloud-init; write a .netdev in network.units"),
    ("merge_how", "a key of cloud-init; lists of several parts are joined"),
    ("merge_type", "a key of cloud-init; lists of several parts are joined"),
    ("output", "a key of cloud-init; output is in the journal"),
    ("datasource", "a key of cloud-init; see `cloud-config sources`"),
    ("datasource_list", "a key of cloud-init; see `cloud-config sources`"),
    ("autoinstall", "a key of Ubuntu's installer; the image is installed as it is"),
    ("ansible", _CONTAINERS),
    ("chef", _CONTAINERS),
    ("landscape", _CONTAINERS),
    ("lxd", _CONTAINERS),
    ("mcollective", _CONTAINERS),
    ("puppet", _CONTAINERS),
    ("salt_minion", _CONTAINERS),
    ("k3os", f"{_K3OS}its settings are keys of their own here: ntp, users, write_files"),
    ("run_cmd", f"{_K3OS}write a unit, or give a script as user data"),
    ("boot_cmd", f"{_K3OS}write a unit, see coreos.units"),
    ("init_cmd", f"{_K3OS}write a unit, see coreos.units"),
    ("k3s", f"{_KAIROS}run it by a unit or a quadlet"),
    ("install", f"{_KAIROS}the image is written by `build-image flash`"),
    ("stages", f"{_KAIROS}write its files and units by write_files and coreos.units"),
    ("rancher", f"{_RANCHER}write units, see coreos.units"),
)

USER: Final[Advice] = (
    ("inactive", "a key of cloud-init; write it as a command in a unit"),
    ("expiredate", "a key of cloud-init; write it as a command in a unit"),
    ("lock_passwd", "a key of cloud-init; without passwd no password logs in"),
    ("lock_password", "a key of cloud-init; without passwd no password logs in"),
    ("plain_text_passwd", _PASSWORD.replace("give users a passwd", "use passwd")),
    ("hashed_passwd", "a key of cloud-init; use passwd"),
    ("sudo", "a key of cloud-init; add the user to the group sudo, or write /etc/sudoers.d/NAME"),
    ("doas", "a key of cloud-init; add the user to the group sudo"),
    ("selinux_user", "a key of cloud-init; there is no SELinux policy"),
    ("ssh_import_id", _KEYS),
    ("ssh_redirect_user", "a key of cloud-init; leave ssh_authorized_keys out"),
    ("snapuser", "a key of cloud-init; leave it out"),
    ("uid", "a key of cloud-init; numbers are the machine's own"),
    ("home", "a key of cloud-init's older versions; use homedir"),
)

FILE: Final[Advice] = (
    ("defer", "a key of cloud-init; files are written after users are made, as it asks for"),
)
_NOT_APPENDED = (
    "appending is a key of cloud-init, here the file would be replaced: write one of its own, such "
    "as below /etc/profile.d, or the whole content"
)
_NOT_FETCHED = (
    "fetching is a key of cloud-init, here the file would be empty: write its content, or a unit "
    "that fetches it"
)
SPOILING: Final[Advice] = (("append", _NOT_APPENDED), ("source", _NOT_FETCHED))
"""Keys with which the file would become another one than was meant."""

NTP: Final[Advice] = (
    ("pools", "a key of cloud-init; use servers"),
    ("ntp_client", "a key of cloud-init; the client is systemd-timesyncd"),
    ("config", "a key of cloud-init; the client is systemd-timesyncd"),
)
NETWORK: Final[Advice] = tuple(
    (name, "a key of cloud-init's network configuration; write networkd units in network.units")
    for name in ("version", "config", "renderer", "ethernets", "bonds", "bridges", "vlans", "wifis")
)
DEFAULT_USER: Final = "the user core is there without it"
"""About the item ``default`` of ``users``."""
