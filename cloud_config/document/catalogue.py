"""Every key a document may have.

Types, patterns and deprecations of coreos-cloudinit's keys are its own, so that
a document means here what it meant there; what it did not have comes below a
key of its own (``timezone``, ``ntp``, ``network``, ``podman``, ``storage``).

Source: coreos-cloudinit, config/*.go (structure tags ``valid`` and
``deprecated``).
"""

from __future__ import annotations

from typing import Final

from cloud_config.document.catalogue_coreos import COREOS
from cloud_config.document.keys import Fields, Items, Key, Kind, Leaf, keys_of
from cloud_config.document.users import User

TEXT: Final = Leaf()
TEXTS: Final = Items(TEXT)
FLAG: Final = Leaf(Kind.FLAG)
ADDRESSES: Final = Items(Leaf(pattern=r"\A[A-Za-z0-9.:_-]+\Z"))

_REMOTE = "trying to fetch from a remote endpoint introduces too many intermittent errors"

USER: Final = Fields(
    keys=(
        *keys_of(User),
        Key("coreos_ssh_import_github", TEXT, "Not done here.", deprecated=_REMOTE),
        Key("coreos_ssh_import_github_users", TEXTS, "Not done here.", deprecated=_REMOTE),
        Key("coreos_ssh_import_url", TEXT, "Not done here.", deprecated=_REMOTE),
    ),
    required=("name",),
    foreign=(
        ("inactive", "write it as a command in a unit"),
        ("lock_passwd", 'use passwd: "*"'),
        ("sudo", "add the user to the group sudo, or write a file below /etc/sudoers.d"),
        ("selinux_user", "there is no SELinux policy"),
        ("ssh_import_id", "list the keys in ssh_authorized_keys"),
    ),
)

FILE: Final = Fields(
    keys=(
        Key("path", TEXT, "Where: below /etc, /var, /home, /root or /run."),
        Key("content", Leaf(secret=True, raw=True), "What is in the file."),
        Key(
            "encoding",
            Leaf(
                pattern=r"\A(base64|b64|gz|gzip|gz\+base64|gzip\+base64|gz\+b64|gzip\+b64)\Z",
            ),
            "How content is packed; plain text by default.",
        ),
        Key("permissions", Leaf(pattern=r"\A0?[0-7]{3,4}\Z"), "Octal mode; 0644 by default."),
        Key(
            "owner",
            Leaf(pattern=r"\A[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)?\Z"),
            "user or user:group; root by default.",
        ),
    ),
    required=("path",),
    whole=True,
)

NTP: Final = Fields(
    keys=(
        Key("enabled", FLAG, "Whether systemd-timesyncd runs; true by default."),
        Key("servers", ADDRESSES, "Time servers, instead of the image's."),
        Key("fallback_servers", ADDRESSES, "Asked when no other is known."),
    )
)

NETWORK: Final = Fields(
    keys=(
        Key(
            "units",
            Items(
                Fields(
                    keys=(
                        Key(
                            "name",
                            Leaf(pattern=r"\A[A-Za-z0-9:_.@-]+\.(network|netdev|link)\Z"),
                            "File name in /etc/systemd/network.",
                        ),
                        Key("content", TEXT, "The unit as in systemd.network(5) and its kin."),
                    ),
                    required=("name", "content"),
                    whole=True,
                )
            ),
            "Units of systemd-networkd.",
        ),
    )
)

PODMAN: Final = Fields(
    keys=(
        Key(
            "quadlets",
            Items(
                Fields(
                    keys=(
                        Key(
                            "name",
                            Leaf(
                                pattern=r"\A[A-Za-z0-9:_.@-]+"
                                r"\.(container|volume|network|kube|image|build|pod)\Z"
                            ),
                            "File name in /etc/containers/systemd.",
                        ),
                        Key("content", TEXT, "The unit as in podman-systemd.unit(5)."),
                        Key("start", FLAG, "Start its service now; true by default."),
                    ),
                    required=("name", "content"),
                    whole=True,
                )
            ),
            "Containers as units.",
        ),
    )
)

STORAGE: Final = Fields(
    keys=(
        Key(
            "filesystems",
            Items(
                Fields(
                    keys=(
                        Key(
                            "device",
                            Leaf(pattern=r"\A/dev/(?!.*\.\.)[A-Za-z0-9_.:/+-]+\Z"),
                            "Block device, best one of /dev/disk/by-*.",
                        ),
                        Key("format", Leaf(pattern=r"\A(ext4|vfat)\Z"), "ext4 by default."),
                        Key("label", Leaf(pattern=r"\A[A-Za-z0-9_.-]{1,16}\Z"), "Its label."),
                        Key("path", TEXT, "Where it is mounted, below /var, /home or /root."),
                        Key(
                            "options",
                            Items(Leaf(pattern=r"\A[A-Za-z0-9_.:/=+@-]+\Z")),
                            "Mount options.",
                        ),
                    ),
                    required=("device",),
                    whole=True,
                )
            ),
            "Data disks: formatted only when empty, and mounted.",
        ),
    )
)

_CLOUD_INIT: Final = (
    ("apt", "the image is read-only; take what you need in a container"),
    ("bootcmd", "write a unit"),
    ("chpasswd", "use users and passwd"),
    ("disk_setup", "use storage"),
    ("fqdn", "use hostname"),
    ("fs_setup", "use storage"),
    ("growpart", "the state partition grows by itself"),
    ("locale", "there is one locale, C.UTF-8"),
    ("mounts", "use storage, or a .mount unit"),
    ("package_update", "updates come as images"),
    ("package_upgrade", "updates come as images"),
    ("packages", "the image is read-only; take what you need in a container"),
    ("power_state", "write a unit"),
    ("runcmd", "write a unit, or give a script as user data"),
    ("ssh_pwauth", "write a file below /etc/ssh/sshd_config.d"),
    ("swap", "write a .swap unit"),
)

DOCUMENT: Final = Fields(
    keys=(
        Key(
            "hostname",
            Leaf(pattern=r"\A(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\Z"),
            "Name of the machine.",
        ),
        Key("ssh_authorized_keys", Items(Leaf(secret=True)), "Keys that may log in as core."),
        Key("users", Items(USER), "Accounts; one that exists gets its password and keys."),
        Key("write_files", Items(FILE), "Files."),
        Key(
            "manage_etc_hosts",
            Leaf(pattern=r"\Alocalhost\Z"),
            "localhost: /etc/hosts names the machine itself.",
        ),
        Key("coreos", COREOS, "Units, updates and the programs of a cluster."),
        Key(
            "timezone",
            Leaf(pattern=r"\A[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*\Z"),
            "Zone such as Europe/Berlin.",
        ),
        Key("ntp", NTP, "Time servers."),
        Key("network", NETWORK, "The network, by systemd-networkd."),
        Key("podman", PODMAN, "Containers, by quadlets."),
        Key("storage", STORAGE, "Data disks."),
    ),
    foreign=_CLOUD_INIT,
)
