"""A server on the loopback that sends bytes as it likes, with no HTTP of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Play = Callable[["Line"], None]


@dataclass
class Line:
    """One connection, its request read.

    Attributes:
        number: of the connection, from 0.
        head: the request, up to the empty line.
    """

    connection: socket.socket
    ended: threading.Event
    number: int
    head: bytes = b""

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.connection.sendall(data)

    def drip(self, data: bytes, pause: float = 0.02) -> None:
        """Send byte after byte, again and again, for ever."""
        while True:
            for byte in data:
                self.send(bytes([byte]))
                if self.ended.wait(pause):
                    return

    def flood(self, data: bytes) -> None:
        """Send it again and again, for ever."""
        while not self.ended.is_set():
            self.send(data)

    @property
    def start(self) -> int:
        """First byte asked for."""
        _, found, rest = self.head.partition(b"Range: bytes=")
        return int(rest.partition(b"-")[0]) if found else 0


@dataclass
class RawServer:
    """What is listening; counts its connections."""

    url: str
    lines: list[Line] = field(default_factory=list)


@contextmanager
def raw_server(play: Play) -> Iterator[RawServer]:
    """Each connection is given to ``play``, in a thread of its own, and closed after it."""
    ended = threading.Event()
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = RawServer(f"http://127.0.0.1:{listener.getsockname()[1]}")

        def talk(line: Line) -> None:
            # The client may hang up at any moment.
            with line.connection, suppress(OSError):
                while b"\r\n\r\n" not in line.head and (data := line.connection.recv(65536)):
                    line.head += data
                play(line)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    line = Line(connection, ended, len(server.lines))
                    server.lines.append(line)
                    threads.append(threading.Thread(target=talk, args=(line,), daemon=True))
                    threads[-1].start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield server
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(5)
            for line in server.lines:
                with suppress(OSError):
                    line.connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(5)
