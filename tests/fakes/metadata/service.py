"""A metadata service on the loopback: a real HTTP server that answers as a platform does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Asked(NamedTuple):
    """One request; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


class Reply(NamedTuple):
    """What a platform answers."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


Platform = Callable[[Asked], Reply]


def found(body: bytes | str, kind: str = "text/plain") -> Reply:
    content = body.encode() if isinstance(body, str) else body
    return Reply(200, content, {"Content-Type": kind})


NOT_FOUND = Reply(404, b"<html><body>404 - Not Found</body></html>\n")


class _Handler(BaseHTTPRequestHandler):
    server: MetadataServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._answer()

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers)
        self.server.asked.append(asked)
        reply = self.server.platform(asked)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *arguments: object) -> None:
        del arguments


class MetadataServer(ThreadingHTTPServer):
    """Serves one platform; remembers what was asked."""

    daemon_threads = True

    def __init__(self, platform: Platform, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.platform = platform
        self.asked: list[Asked] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def handle_error(self, *arguments: object) -> None:
        del arguments


@contextmanager
def serving(platform: Platform) -> Iterator[MetadataServer]:
    """A running service."""
    server = MetadataServer(platform)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def unwell(platform: Platform, *statuses: int) -> Platform:
    """A platform that first answers with these statuses, once each."""
    left = list(statuses)

    def answer(asked: Asked) -> Reply:
        return Reply(left.pop(0)) if left else platform(asked)

    return answer
