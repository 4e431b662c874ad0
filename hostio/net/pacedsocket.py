"""Connections on which every wait, wherever it happens, is taken from a budget.

``http.client`` reads lines and chunks through the file of its socket; this
socket gives it one that sets the time-out anew before each receive, so that no
line, however slowly it drips, outlasts the budget.
"""

from __future__ import annotations

import http.client
import io
import socket
from typing import Any

from hostio.net.budget import Budget

_MOST_ADDRESSES = 8  # a name with more is tried no further


class PacedSocket:
    """A connected socket as far as ``http.client`` uses one.

    Attributes:
        budget: of the resource that is read at the moment.
    """

    def __init__(self, connected: socket.socket, budget: Budget) -> None:
        self.connected = connected
        self.budget = budget
        self._files = 0
        self._closed = False

    def sendall(self, data: bytes) -> None:
        """Send everything, within the budget."""
        with self.budget.waiting():
            self.connected.settimeout(self.budget.next_wait())
            self.connected.sendall(data)

    def receive_into(self, buffer: memoryview) -> int:
        """One receive, within the budget."""
        with self.budget.waiting():
            self.connected.settimeout(self.budget.next_wait())
            count = self.connected.recv_into(buffer)
        self.budget.count_received(count)
        return count

    def makefile(self, mode: str, *unused: object) -> io.BufferedReader:
        """A file that reads from here; the connection stays open while it is."""
        assert mode == "rb", mode
        del unused
        self._files += 1
        return io.BufferedReader(_Input(self))

    def close(self) -> None:
        """Hang up, as soon as no file reads from here."""
        self._closed = True
        self._hang_up()

    def file_closed(self) -> None:
        """A file made by :meth:`makefile` is closed."""
        self._files -= 1
        self._hang_up()

    def _hang_up(self) -> None:
        if self._closed and self._files <= 0:
            self.connected.close()


class _Input(io.RawIOBase):
    """Reads from a socket."""

    def __init__(self, paced: PacedSocket) -> None:
        self._paced = paced

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._paced.receive_into(memoryview(buffer))

    def close(self) -> None:
        if not self.closed:
            self._paced.file_closed()
        super().close()


class PacedConnection(http.client.HTTPConnection):
    """An HTTP connection whose waits are taken from a budget.

    Args:
        host: name or address.
        port: number.
        budget: of the first resource; see :meth:`spend`.
    """

    def __init__(self, host: str, port: int, budget: Budget) -> None:
        super().__init__(host, port)
        self.budget = budget

    def connect(self) -> None:
        """See :meth:`http.client.HTTPConnection.connect`."""
        self.sock: Any = PacedSocket(self.dialled(), self.budget)

    def dialled(self) -> socket.socket:
        """A connected socket.

        Raises:
            OSError: no address of the host takes the connection in time.
        """
        return dial(self.host, self.port, self.budget)

    def spend(self, budget: Budget) -> None:
        """From here on, take waiting from ``budget``."""
        self.budget = budget
        if self.sock is not None:
            self.sock.budget = budget


def dial(host: str, port: int, budget: Budget) -> socket.socket:
    """Connect to the first address of ``host`` that answers.

    Raises:
        OSError: none does, within the budget.
    """
    with budget.waiting():
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise OSError(f"not a host name: {host[:80]!r}") from error
    problem = OSError("the name has no address")
    for family, kind, protocol, _, address in found[:_MOST_ADDRESSES]:
        seconds = budget.next_wait(budget.timeouts.connect_s)
        try:
            with budget.waiting():
                return _connected((family, kind, protocol), address, seconds)
        except OSError as error:
            problem = error
    raise problem


def _connected(kind: tuple[int, int, int], address: Any, seconds: float) -> socket.socket:
    fresh = socket.socket(*kind)
    try:
        fresh.settimeout(seconds)
        fresh.connect(address)
        fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        fresh.close()
        raise
    return fresh
