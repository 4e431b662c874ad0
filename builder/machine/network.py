"""The network a guest sees: QEMU's own, with nothing behind it but what is named.

Source: QEMU 10.0, qemu-system-x86_64(1), "-netdev user".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from osmodel.faults import InvalidInput

DEFAULT_NETWORK = ipaddress.IPv4Network("10.0.2.0/24")
"""Where guests live unless a scenario needs other addresses."""

_SHORTEST, _LONGEST = 8, 27  # prefix lengths that leave room for what follows
# Places in the network: QEMU's gateway and name server, and what DHCP gives the guest.
_GATEWAY, _NAME_SERVER, _GUEST = 2, 3, 15


@dataclass(frozen=True, slots=True)
class Forward:
    """A TCP service that the guest sees at ``guest_address`` and this host provides.

    Attributes:
        guest_address: IPv4 address in the guest's network as seen by the guest.
        guest_port: TCP port there.
        host_port: TCP port of this host's loopback address.
    """

    guest_address: str
    guest_port: int
    host_port: int

    @classmethod
    def parse(cls, text: str, network: ipaddress.IPv4Network = DEFAULT_NETWORK) -> Forward:
        """Read ``ADDRESS:PORT=HOSTPORT``.

        Raises:
            InvalidInput: another form, or an address the guest's network does not have.
        """
        guest, _, host_port = text.partition("=")
        address, _, guest_port = guest.partition(":")
        if not (guest_port.isdecimal() and host_port.isdecimal()):
            raise InvalidInput(
                f"expected ADDRESS:PORT=HOSTPORT, got {text!r}",
                hint="for example 10.0.2.100:80=8080",
            )
        if not _is_free_address(address, network):
            raise InvalidInput(
                f"the guest's network has no free address {address!r}",
                hint=f"use {network[4]} to {network[-2]}, not the guest's own {network[_GUEST]}",
            )
        return cls(address, int(guest_port), int(host_port))


def parse_network(text: str) -> ipaddress.IPv4Network:
    """Read the guest's network, for example ``169.254.169.0/24``.

    Raises:
        InvalidInput: it is none, or too small or too large for QEMU.
    """
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise InvalidInput(f"not an IPv4 network: {text!r}: {error}") from error
    if not _SHORTEST <= network.prefixlen <= _LONGEST:
        raise InvalidInput(f"{network}: expected a network of /{_SHORTEST} to /{_LONGEST}")
    return network


def netdev(network: ipaddress.IPv4Network, ssh_port: int, forwards: Iterable[Forward]) -> str:
    """QEMU's description of the network behind the guest's card."""
    places = f"host={network[_GATEWAY]},dns={network[_NAME_SERVER]},dhcpstart={network[_GUEST]}"
    text = f"user,id=net,restrict=on,net={network},{places}"
    text += f",hostfwd=tcp:127.0.0.1:{ssh_port}-:22"
    for forward in forwards:
        guest = f"{forward.guest_address}:{forward.guest_port}"
        text += f",guestfwd=tcp:{guest}-cmd:socat STDIO TCP:127.0.0.1:{forward.host_port}"
    return text


def _is_free_address(text: str, network: ipaddress.IPv4Network) -> bool:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    own = (*(network[n] for n in range(4)), network[_GUEST], network.broadcast_address)
    return address in network and address not in own
