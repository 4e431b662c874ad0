"""``coreos-cloudinit`` with the flags that it had.

Units and scripts that call it go on working. It reads user data as
named if that is a file, a directory or a URL; a metadata service and the
kernel command line it leaves to the search at boot, which finds by itself what
a machine has.

Source: coreos-cloudinit.go (flags, messages, exit statuses).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cloud_config.commands import goflags
from cloud_config.commands.validate import checked, user_data
from cloud_config.document.userdata import IGNITION
from osmodel.faults import Fault, InvalidInput

VERSION = "1.14.0+twinkeel"
EXIT_FAILURE = 1
EXIT_USAGE = 2

# Whether each flag is a boolean.
FLAGS: Final = {
    "version": True,
    "ignore-failure": True,
    "from-file": False,
    "from-configdrive": False,
    "from-waagent": False,
    "from-metadata-service": True,
    "from-ec2-metadata": False,
    "from-gce-metadata": False,
    "from-cloudsigma-metadata": True,
    "from-digitalocean-metadata": False,
    "from-packet-metadata": False,
    "from-url": False,
    "from-proc-cmdline": True,
    "from-vmware-guestinfo": True,
    "from-vmware-ovf-env": False,
    "oem": False,
    "convert-netconf": False,
    "workspace": False,
    "ssh-key-name": False,
    "validate": True,
    "h": True,
    "help": True,
}
OEM: Final[Mapping[str, Mapping[str, str]]] = {
    "digitalocean": {"from-digitalocean-metadata": "http://169.254.169.254/"},
    "ec2-compat": {
        "from-ec2-metadata": "http://169.254.169.254/",
        "from-configdrive": "/media/configdrive",
    },
    "gce": {"from-gce-metadata": "http://metadata.google.internal/"},
    "rackspace-onmetal": {"from-configdrive": "/media/configdrive", "convert-netconf": "debian"},
    "azure": {"from-waagent": "/var/lib/waagent"},
    "cloudsigma": {"from-cloudsigma-metadata": "true"},
    "packet": {"from-packet-metadata": "https://metadata.packet.net/"},
    "vmware": {"from-vmware-guestinfo": "true", "convert-netconf": "vmware"},
}
NETCONF: Final = ("", "debian", "packet", "vmware")
_NO_SOURCE = (
    "Provide at least one of --from-file, --from-configdrive, --from-ec2-metadata, "
    "--from-gce-metadata, --from-cloudsigma-metadata, --from-packet-metadata, "
    "--from-digitalocean-metadata, --from-vmware-guestinfo, --from-waagent, --from-url or "
    "--from-proc-cmdline"
)


@dataclass(frozen=True, slots=True)
class CompatibleWorld:
    """What this program leaves to others.

    Attributes:
        apply: applies user data; the exit status is 0 if all of it is in force.
        search: reads the sources of this machine and applies what they have.
        fetch: reads a URL.
    """

    apply: Callable[[bytes, str], int]
    search: Callable[[], int]
    fetch: Callable[[str], bytes]


def run(arguments: Sequence[str], world: CompatibleWorld) -> int:
    """Do what the flags say; ``arguments`` are without the program's name."""
    try:
        flags, rest = goflags.parsed(arguments, FLAGS)
    except InvalidInput as fault:
        sys.stderr.write(f"{fault}\n{usage()}")
        return EXIT_USAGE
    if on(flags, "help") or on(flags, "h"):
        sys.stderr.write(usage())
        return 0
    refusal = _refusal(flags)
    if refusal:
        sys.stdout.write(f"{refusal}\n")
        return EXIT_USAGE
    flags = {**flags, **OEM.get(flags.get("oem", ""), {})}
    if on(flags, "version"):
        sys.stdout.write(f"coreos-cloudinit {VERSION}\n")
        return 0
    if rest and on(flags, "validate"):
        flags.setdefault("from-file", rest[0])
    if not any(name.startswith("from-") and flags[name] not in {"", "false"} for name in flags):
        sys.stdout.write(f"{_NO_SOURCE}\n")
        return EXIT_USAGE
    return _with_source(flags, world)


def on(flags: Mapping[str, str], name: str) -> bool:
    """Whether a boolean flag is set."""
    return flags.get(name) == "true"


def usage() -> str:
    """The flags, as Go's package prints them."""
    return "Usage of coreos-cloudinit:\n" + "".join(f"  -{name}\n" for name in sorted(FLAGS))


def _refusal(flags: Mapping[str, str]) -> str:
    oem, netconf = flags.get("oem", ""), flags.get("convert-netconf", "")
    if oem and oem not in OEM:
        names = " ".join(f'"{name}"' for name in OEM)
        return f'Invalid option to -oem: "{oem}". Supported options: [{names}]'
    if netconf not in NETCONF:
        known = "'debian, packet, vmware'"
        return f"Invalid option to -convert-netconf: '{netconf}'. Supported options: {known}"
    return ""


def source_file(flags: Mapping[str, str]) -> str:
    """The file that the flags name as user data; empty if they name no file.

    The first that exists counts, else the first.
    """
    places = [
        ("from-file", ""),
        ("from-configdrive", "openstack/latest/user_data"),
        ("from-waagent", "CustomData"),
    ]
    named = [
        str(Path(flags[name]) / below) if below else flags[name]
        for name, below in places
        if flags.get(name)
    ]
    return next(filter(_exists, named), named[0] if named else "")


def _exists(name: str) -> bool:
    try:
        return Path(name).exists()
    except OSError:  # no name that a file can have
        return False


def _with_source(flags: Mapping[str, str], world: CompatibleWorld) -> int:
    """Read what the flags name, and validate or apply it."""
    if flags.get("convert-netconf"):
        sys.stderr.write("--convert-netconf is not done: write networkd units, see network.units\n")
    name, url = source_file(flags), flags.get("from-url", "")
    if not name and not url:
        return _search(flags, world)
    try:
        data = user_data(name) if name else world.fetch(url)
    except Fault as fault:
        sys.stderr.write(f"No datasources available in time: {fault}\n")
        return EXIT_FAILURE
    findings = checked(data).findings
    if any(finding.message == IGNITION for finding in findings):
        # It was left alone without an error there, so that both programs could be called.
        sys.stderr.write(f"coreos-cloudinit: {IGNITION}\n")
        return 0
    if on(flags, "validate"):
        # Any finding is a failure here, as it was there.
        said = [finding.in_original_words for finding in findings]
        sys.stdout.write("".join(f"{line}\n" for line in said if line))
        return EXIT_FAILURE if any(said) else 0
    return _forgiven(flags, world.apply(data, name or url))


def _search(flags: Mapping[str, str], world: CompatibleWorld) -> int:
    if on(flags, "validate"):
        sys.stderr.write("--validate needs a file, a directory or a URL\n")
        return EXIT_USAGE
    sys.stderr.write("`cloud-config sources` shows where user data are looked for\n")
    return _forgiven(flags, world.search())


def _forgiven(flags: Mapping[str, str], status: int) -> int:
    if status == 0 or on(flags, "ignore-failure"):
        return 0
    return EXIT_FAILURE
