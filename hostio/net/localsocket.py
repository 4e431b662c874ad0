"""Sockets of this machine: free TCP ports, and programs that talk in lines over a Unix socket."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from osmodel.faults import HostFailure

_LINE_LIMIT = 1 << 20  # bytes; the longest answer that is kept


class LineChannel(Protocol):
    """Port for a peer that sends and answers whole lines."""

    def send(self, line: bytes) -> None:
        """Send one line; the line end is added.

        Raises:
            HostFailure: the peer is gone.
        """
        ...

    def receive(self) -> bytes:
        """The next line without its end; waits as long as the channel was opened for.

        Raises:
            HostFailure: the peer is gone, silent for too long, or sends no line end.
        """
        ...


class _UnixChannel:
    def __init__(self, connection: socket.socket, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._pending = b""

    def send(self, line: bytes) -> None:
        try:
            self._connection.sendall(line + b"\n")
        except OSError as error:
            raise HostFailure(f"{self._path}: {error}") from error

    def receive(self) -> bytes:
        while b"\n" not in self._pending:
            try:
                data = self._connection.recv(65536)
            except OSError as error:
                raise HostFailure(f"{self._path}: {error}") from error
            if not data or len(self._pending) > _LINE_LIMIT:
                raise HostFailure(f"{self._path}: closed by the other side")
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return line.rstrip(b"\r")


@contextlib.contextmanager
def unix_channel(path: Path, *, timeout: float) -> Iterator[LineChannel]:
    """Connect to the listener at ``path``.

    Args:
        path: the socket, at most 107 bytes (a limit of the kernel).
        timeout: seconds that connecting and each line may take.

    Raises:
        HostFailure: no program listens there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(str(path))
        except OSError as error:
            raise HostFailure(f"{path}: {error}") from error
        yield _UnixChannel(connection, path)


def free_port() -> int:
    """A TCP port of the loopback address that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_taken(port: int) -> bool:
    """Whether listening on ``port`` of the loopback address is refused as in use."""
    with socket.socket() as probe:
        # As QEMU does it: a port whose last connection is fading away is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise HostFailure(f"port {port}: {error.strerror}") from error
    return False
