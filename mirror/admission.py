"""Where a server listens, which connections it takes, and what each may take up.

One address cannot hold the server: beyond its share its connections are
refused. All addresses together cannot exhaust the descriptors of the process.
What is held without doing anything is given up after a time.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import resource
import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from osmodel.faults import InvalidInput

if TYPE_CHECKING:  # slow to import, and only a server needs it
    from aiohttp import web

_log = logging.getLogger(__name__)

_PER_CONNECTION = 2  # descriptors: the socket, and the file that is sent
_OWN = 64  # descriptors for everything else
_IPV6_SITE = 64  # bits; one client has all addresses below them
_HIGHEST_PORT = 65535

Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen; port 0 lets the system choose one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Listen:
        """Read ``HOST:PORT``, with brackets around an IPv6 address.

        Raises:
            InvalidInput: no port, or one that does not exist.
        """
        host, colon, port = text.rpartition(":")
        known = port.isascii() and port.isdecimal() and int(port) <= _HIGHEST_PORT
        if not colon or not host or not known:
            raise InvalidInput(f"cannot listen on {text!r}", hint="write 127.0.0.1:8080")
        return cls(host.removeprefix("[").removesuffix("]"), int(port))


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may take up.

    Attributes:
        connections: of all clients together.
        per_client: of one IPv4 address, or one IPv6 network of 64 bits.
        head_s: seconds in which a request must arrive, and that a connection
            may be idle.
        grace_s: seconds that every answer may take.
        least_rate: bytes per second at which a client must take a larger one.
    """

    connections: int = 1024
    per_client: int = 64
    head_s: float = 15.0
    grace_s: float = 60.0
    least_rate: int = 4 << 10

    def __post_init__(self) -> None:
        for name in ("connections", "per_client"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} must be at least 1, got {getattr(self, name)}")

    def seconds_to_take(self, size: int) -> float:
        """How long an answer of ``size`` bytes may take."""
        return self.grace_s + size / self.least_rate


def descriptors_for(limits: Limits) -> Limits:
    """``limits``, with no more connections than this process can have descriptors for.

    Raises the soft limit of the process as far as the system allows.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections * _PER_CONNECTION + _OWN
    had = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if had > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (had, hard))
    most = max((max(had, soft) - _OWN) // _PER_CONNECTION, 1)
    return Limits(
        min(limits.connections, most),
        limits.per_client,
        limits.head_s,
        limits.grace_s,
        limits.least_rate,
    )


class Admission(asyncio.Protocol):
    """The first protocol of each connection: refuses it, or hands it to the server."""

    def __init__(self, server: web.Server, limits: Limits) -> None:
        self._server = server
        self._limits = limits

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        client = client_of(transport.get_extra_info("peername"))
        held = Counter(client_of(handler.peername) for handler in self._server.connections)
        if held.total() >= self._limits.connections or held[client] >= self._limits.per_client:
            _log.warning("refused client=%s held=%d of=%d", client, held[client], held.total())
            reset(cast("asyncio.Transport", transport))
            return
        handler = self._server()
        transport.set_protocol(handler)
        handler.connection_made(transport)


def reset(transport: asyncio.Transport) -> None:
    """End a connection at once; what was not taken yet is dropped by the kernel too."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def client_of(peer: object) -> str:
    """What counts as one client, by the address of a socket."""
    if not isinstance(peer, tuple) or not peer:
        return "unknown"
    host = str(peer[0]).partition("%")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, _IPV6_SITE), strict=False))
    return host
