"""An HTTP proxy on the loopback: passes requests on, and tunnels by CONNECT."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.fakes.rawserver import Line, raw_server


@dataclass
class ProxyServer:
    """What was asked of it.

    Attributes:
        url: of the proxy.
        asked: first line of each request.
        heads: each request, whole.
    """

    url: str = ""
    asked: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)


@contextmanager
def proxy_server(*, password: str = "") -> Iterator[ProxyServer]:
    """A proxy; with ``password``, only for those who send it (as coded in the header)."""
    proxy = ProxyServer()

    def play(line: Line) -> None:
        head = line.head.decode()
        proxy.asked.append(head.splitlines()[0])
        proxy.heads.append(head)
        if password and f"Proxy-Authorization: Basic {password}" not in head:
            line.send(b"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n")
            return
        method, target, _ = proxy.asked[-1].split(" ")
        host, _, path = target.removeprefix("http://").partition("/")
        name, _, port = host.partition(":")
        with socket.create_connection((name, int(port)), 5) as beyond:
            if method == "CONNECT":
                line.send(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                # As HTTP/1.0: one request on each connection, so that each is seen here.
                wanted = line.head.replace(target.encode(), f"/{path}".encode(), 1)
                beyond.sendall(wanted.replace(b"HTTP/1.1", b"HTTP/1.0", 1))
            _join(line.connection, beyond)

    with raw_server(play) as server:
        proxy.url = server.url
        yield proxy


def _join(one: socket.socket, other: socket.socket) -> None:
    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    there = threading.Thread(target=copy, args=(one, other), daemon=True)
    there.start()
    copy(other, one)
    there.join(5)
