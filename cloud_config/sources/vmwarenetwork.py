"""The network of a VMware guest, as coreos-cloudinit reads it from variables.

``interface.N.{name,mac,dhcp,role}``, ``interface.N.ip.M.address`` (with prefix
length), ``interface.N.route.M.{gateway,destination}``, ``dns.server.N`` and
``dns.domain.N``, each numbered from 0. An interface of which a value is no name,
address or ``yes``/``no`` is left out as a whole: half of a network is none.

Source: coreos-cloudinit, datasource/vmware/vmware.go, network/vmware.go.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cloud_config.planning.metadata import Interface, Metadata
from cloud_config.sources.seed import Parts
from osmodel.faults import UntrustedData

Find = Callable[[str], str]
_MOST = 32  # of anything that is numbered
_NAME = re.compile(r"[A-Za-z0-9_.:*-]{1,15}")
_MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
_DOMAIN = re.compile(r"[A-Za-z0-9~_.-]{1,253}")
_DHCP = {"": False, "no": False, "yes": True}
_NONE: tuple[str, ...] = ()
_ROLES = frozenset({"", "public", "private"})


@dataclass(frozen=True, slots=True)
class Network:
    """What the variables say.

    Attributes:
        interfaces: for networkd.
        addresses: of interfaces with a role, as metadata.
    """

    interfaces: tuple[Interface, ...] = ()
    addresses: Metadata = field(default_factory=Metadata)


def read_interfaces(find: Find, parts: Parts) -> Network:
    """All interfaces; what is wrong with one is kept at ``parts``."""
    servers = parts.read(lambda: _checked(_numbered(find, "dns.server"), _address), _NONE)
    domains = parts.read(lambda: _checked(_numbered(find, "dns.domain"), _domain), _NONE)
    found: list[Interface] = []
    addresses: dict[str, str] = {}
    for number in range(_MOST):
        prefix = f"interface.{number}"
        if not _is_there(find, prefix):
            break
        made = parts.read(lambda: _interface(find, prefix, servers, domains), None)  # noqa: B023 - read at once
        if made is not None:
            found.append(made)
            addresses |= _by_role(made, find(f"{prefix}.role"))
    metadata = Metadata(
        source="vmware",
        public_ipv4=addresses.get("public_ipv4", ""),
        private_ipv4=addresses.get("private_ipv4", ""),
        public_ipv6=addresses.get("public_ipv6", ""),
        private_ipv6=addresses.get("private_ipv6", ""),
    )
    return Network(tuple(found), metadata)


def _is_there(find: Find, prefix: str) -> bool:
    names = ("name", "mac", "dhcp", "ip.0.address", "route.0.gateway", "route.0.destination")
    return any(find(f"{prefix}.{name}") for name in names)


def _interface(
    find: Find, prefix: str, servers: tuple[str, ...], domains: tuple[str, ...]
) -> Interface:
    name, mac = find(f"{prefix}.name"), find(f"{prefix}.mac")
    dhcp, role = find(f"{prefix}.dhcp"), find(f"{prefix}.role")
    if (name and not _NAME.fullmatch(name)) or (mac and not _MAC.fullmatch(mac)):
        raise UntrustedData(f"vmware: {prefix}: no name or hardware address of an interface")
    if not name and not mac:
        raise UntrustedData(f"vmware: {prefix}: has neither a name nor a mac")
    if dhcp not in _DHCP or role not in _ROLES:
        raise UntrustedData(f"vmware: {prefix}: dhcp is yes or no, role is public or private")
    return Interface(
        name=name,
        mac=mac.lower(),
        dhcp=_DHCP[dhcp],
        addresses=_checked(_numbered(find, f"{prefix}.ip", ".address"), _with_prefix),
        routes=tuple(_routes(find, prefix)),
        servers=servers,
        domains=domains,
    )


def _routes(find: Find, prefix: str) -> Iterator[tuple[str, str]]:
    """Pairs of a destination and a gateway."""
    for number in range(_MOST):
        gateway = find(f"{prefix}.route.{number}.gateway")
        destination = find(f"{prefix}.route.{number}.destination")
        if not gateway and not destination:
            return
        yield _with_prefix(destination), _address(gateway)


def _numbered(find: Find, prefix: str, suffix: str = "") -> Iterator[str]:
    for number in range(_MOST):
        value = find(f"{prefix}.{number}{suffix}")
        if not value:
            return
        yield value


def _checked(values: Iterator[str], check: Callable[[str], str]) -> tuple[str, ...]:
    return tuple(map(check, values))


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise UntrustedData(f"vmware: {text[:40]!r} is no IP address") from error


def _with_prefix(text: str) -> str:
    try:
        return str(ipaddress.ip_interface(text if "/" in text else ""))
    except ValueError as error:
        raise UntrustedData(f"vmware: {text[:40]!r} is no IP address with its prefix") from error


def _domain(text: str) -> str:
    if not _DOMAIN.fullmatch(text):
        raise UntrustedData(f"vmware: {text[:40]!r} is no domain")
    return text


def _by_role(made: Interface, role: str) -> dict[str, str]:
    """The last address of each kind, as there."""
    if not role:
        return {}
    found = [ipaddress.ip_interface(text).ip for text in made.addresses]
    return {f"{role}_ipv{address.version}": str(address) for address in found}
