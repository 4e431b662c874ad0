"""What a platform says about one machine. Pure.

Every source answers in its own words; this is the one form in which the rest of
the program sees it. Whatever a platform does not say is empty.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from cloud_config.document.jsontext import parsed
from osmodel.faults import UntrustedData

ADDRESSES = ("public_ipv4", "private_ipv4", "public_ipv6", "private_ipv6")
"""Fields that hold an address, by the names they are substituted under."""


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface as its platform wants it, checked.

    Attributes:
        name: or pattern of names; empty if ``mac`` says which it is.
        mac: hardware address, six pairs of hex digits.
        addresses: each with its prefix length.
        routes: pairs of a destination with its prefix length and a gateway.
        servers: addresses of name servers.
        domains: that names are looked up in.
    """

    name: str = ""
    mac: str = ""
    dhcp: bool = False
    addresses: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()
    servers: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metadata:
    """Facts about this machine that are no user data.

    Attributes:
        source: what said so, e.g. ``nocloud`` or ``ec2``.
        instance_id: changes when the disk becomes another machine.
        hostname: short or fully qualified, as the platform has it.
        public_keys: lines for ``authorized_keys`` of the user ``core``.
        public_ipv4: address others reach this machine at; textual.
        private_ipv4: address inside the platform's network.
        public_ipv6: as ``public_ipv4``.
        private_ipv6: as ``private_ipv4``.
        interfaces: that networkd is to set up.
    """

    source: str = ""
    instance_id: str = ""
    hostname: str = ""
    public_keys: tuple[str, ...] = ()
    public_ipv4: str = ""
    private_ipv4: str = ""
    public_ipv6: str = ""
    private_ipv6: str = ""
    interfaces: tuple[Interface, ...] = ()

    @property
    def addresses(self) -> Mapping[str, str]:
        """The known addresses, by the names they are substituted under."""
        found = {name: str(getattr(self, name)) for name in ADDRESSES}
        return {name: address for name, address in found.items() if address}

    def completed_by(self, other: Metadata) -> Metadata:
        """This, with what it leaves empty taken from ``other``."""
        empty = {item.name for item in fields(self) if not getattr(self, item.name)}
        return replace(self, **{name: getattr(other, name) for name in empty})

    def as_json(self) -> str:
        """One JSON object with every field."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Metadata:
        """Read what :meth:`as_json` wrote.

        Raises:
            UntrustedData: something else.
        """
        try:
            table = parsed(text)
            keys = tuple(str(key) for key in table.pop("public_keys", ()))
            interfaces = tuple(map(_interface, table.pop("interfaces", ())))
            known = {item.name for item in fields(cls)}
            texts = {name: str(value) for name, value in table.items() if name in known}
        except (ValueError, AttributeError, TypeError, LookupError) as error:
            raise UntrustedData("not metadata") from error
        return cls(public_keys=keys, interfaces=interfaces, **texts)


def _interface(table: Mapping[str, Any]) -> Interface:
    return Interface(
        name=str(table["name"]),
        mac=str(table["mac"]),
        dhcp=table["dhcp"] is True,
        addresses=tuple(map(str, table["addresses"])),
        routes=tuple((str(route[0]), str(route[1])) for route in table["routes"]),
        servers=tuple(map(str, table["servers"])),
        domains=tuple(map(str, table["domains"])),
    )


def cleaned_keys(lines: Iterable[object]) -> tuple[str, ...]:
    """Key lines worth writing: strings of one line, without blanks around, each once."""
    stripped = (line.strip() for line in lines if isinstance(line, str))
    return tuple(dict.fromkeys(line for line in stripped if line and line.isprintable()))


def address(text: object, version: int = 4) -> str:
    """``text`` if it is an IP address of that version, else empty.

    A prefix length or zone behind the address is dropped.
    """
    if not isinstance(text, str):
        return ""
    bare = text.strip().partition("/")[0].partition("%")[0]
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        return ""
    return str(found) if found.version == version else ""
