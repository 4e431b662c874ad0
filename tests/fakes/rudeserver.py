"""A real HTTP server on the loopback that misbehaves on request."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Manner = Callable[["Answer"], None]


class Answer(BaseHTTPRequestHandler):
    """One request; a manner decides what is sent for it."""

    server: RudeServer

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers.get("Range", "")))
        self.server.manners[self.path.split("?")[0]](self)

    def head(self, status: int, **headers: str | int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def send(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    @property
    def start(self) -> int:
        """First byte asked for."""
        asked = self.headers.get("Range")
        return int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0

    def reset(self) -> None:
        """End the connection with a RST, as a crashed server does."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True

    def finish(self) -> None:
        # The client or a manner may have closed the line already.
        with suppress(OSError, ValueError):
            self.wfile.close()
        self.rfile.close()

    def log_message(self, *arguments: object) -> None:
        del arguments


class RudeServer(ThreadingHTTPServer):
    """Serves by manners; remembers paths and ranges asked for."""

    daemon_threads = True

    def __init__(self, manners: Mapping[str, Manner]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.manners: Mapping[str, Manner] = manners
        self.requests: list[tuple[str, str]] = []
        self.ended = threading.Event()
        self.tls: ssl.SSLContext | None = None
        self.connections = 0

    @property
    def url(self) -> str:
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self.server_address[1]}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        if self.tls is None:
            super().finish_request(request, client_address)
            return
        # In the thread of the connection: a client may hang up during the handshake.
        with suppress(OSError), self.tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, *arguments: object) -> None:
        del arguments


@contextmanager
def served(**manners: Manner) -> Iterator[RudeServer]:
    """A running server; ``name=manner`` answers ``/name``."""
    server = RudeServer({f"/{name}": manner for name, manner in manners.items()})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def plain(content: bytes) -> Manner:
    """A well-behaved server of ``content``, parts included."""

    def answer(to: Answer) -> None:
        start = to.start
        part = content[start:]
        if start:
            whole = len(content)
            to.head(
                206, Content_Length=len(part), Content_Range=f"bytes {start}-{whole - 1}/{whole}"
            )
        else:
            to.head(200, Content_Length=len(part))
        to.send(part)

    return answer


def status(code: int, **headers: str) -> Manner:
    """An answer without body."""

    def answer(to: Answer) -> None:
        to.head(code, Content_Length=0, **headers)

    return answer
