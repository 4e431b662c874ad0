"""Datasource detection: what this machine says of itself before any source is asked."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, fields
from pathlib import Path

from cloud_config.document.jsontext import parsed
from cloud_config.planning.metadata import Metadata
from cloud_config.sources.jsonpath import items_at, text_at
from cloud_config.sources.platforms import Firmware
from hostio.system.runner import Command, Runner
from osmodel.faults import HostFailure

URL_PARAMETER = "cloud-config-url"
_IP = ("ip", "-json", "address", "show", "up", "scope", "global")
# What firmware says whose maker did not care to set it.
_NO_UUIDS = frozenset(
    {
        "",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "03000200-0400-0500-0006-000700080009",
    }
)


@dataclass(frozen=True, slots=True)
class Detected:
    """Facts that are there before any network.

    Attributes:
        firmware: strings of the SMBIOS tables.
        url: of the kernel command line, or empty.
        machine_id: of /etc/machine-id.
    """

    firmware: Firmware
    url: str = ""
    machine_id: str = ""

    @property
    def instance_id(self) -> str:
        """What tells this machine from a copy of its disk, if no source says it.

        The firmware's identity, which a virtual machine has of its own, or the
        identity that the first boot gave to the disk.
        """
        uuid = self.firmware.product_uuid.lower()
        return f"machine-{self.machine_id}" if uuid in _NO_UUIDS else f"firmware-{uuid}"


def detect(root: Path) -> Detected:
    """Read the facts below ``root``; what cannot be read is empty."""
    tables = root / "sys" / "class" / "dmi" / "id"
    firmware = Firmware(**{item.name: _line(tables / item.name) for item in fields(Firmware)})
    machine_id = _line(root / "etc" / "machine-id")
    return Detected(firmware, url_parameter(_line(root / "proc" / "cmdline")), machine_id)


def url_parameter(command_line: str) -> str:
    """The URL on a kernel command line; the last one counts, as for the kernel."""
    url = ""
    for word in command_line.split():
        name, _, value = word.partition("=")
        if name.replace("_", "-") == URL_PARAMETER:
            url = value.strip('"')
    return url


def own_addresses(runner: Runner) -> Metadata:
    """The addresses of this machine's links, as metadata; empty if none are known.

    A machine with one kind of address alone, private or public, is reached at
    it from both sides: each stands in for the other.
    """
    try:
        links = parsed(runner.run(Command(_IP, timeout=30)))
    except (HostFailure, ValueError):
        return Metadata()
    found: dict[str, str] = {}
    for link in links if isinstance(links, list) else ():
        for entry in items_at(link, "addr_info"):
            _note(text_at(entry, "local"), found)
    for version in ("ipv4", "ipv6"):
        private, public = f"private_{version}", f"public_{version}"
        either = found.get(public) or found.get(private) or ""
        found = {private: either, public: either} | found
    return Metadata(
        private_ipv4=found["private_ipv4"],
        public_ipv4=found["public_ipv4"],
        private_ipv6=found["private_ipv6"],
        public_ipv6=found["public_ipv6"],
    )


def _note(text: str, found: dict[str, str]) -> None:
    """Keep the first address of its kind."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return
    reach = "public" if address.is_global else "private"
    found.setdefault(f"{reach}_ipv{address.version}", str(address))


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
