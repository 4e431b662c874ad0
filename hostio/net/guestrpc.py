"""Ask VMware's host about this guest, over its virtual sockets.

The host listens on stream port 976 of context 0 and takes requests only from a
privileged port. A request and its answer are one packet each: a 32-bit length,
then fields of (type, number, value), all big-endian; a 64-bit value has its low
half first. Field 1 is the packet's type (1), field 2 the text. An answer begins
with ``1 `` if the request was understood.

The older way, a port of the processor, is not used: it needs machine code of
our own and does not exist on arm64.

Source: open-vm-tools 12.5, lib/rpcChannel/simpleSocket.c, lib/dataMap/dataMap.c.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections.abc import Callable
from typing import Protocol

from osmodel.faults import HostFailure, TransientFailure, UntrustedData

_HOST = (0, 976)
_PRIVILEGED = range(1023, 512, -1)
_TIMEOUT = 10.0  # seconds
_LARGEST = 4 << 20  # bytes of an answer

_NUMBER, _TEXT = 1, 2  # types of a field
_KIND, _PAYLOAD, _LAST = 1, 2, 3  # numbers of a field
_NUMBER_FIELD = struct.Struct(">IIII")
_TEXT_HEAD = struct.Struct(">III")
_LENGTH = struct.Struct(">I")


class GuestVariables(Protocol):
    """Port for what a VMware host keeps for a guest; the fake is a dictionary in tests."""

    def find(self, name: str) -> str | None:
        """The value of ``guestinfo.<name>``, or ``None`` if it is not set.

        Raises:
            HostFailure: this machine has no way to ask.
            TransientFailure: the host does not answer.
            UntrustedData: the answer is no answer.
        """
        ...


class VsockVariables:
    """Asks over a virtual socket; see :class:`GuestVariables`.

    Args:
        connect: opens the connection.
    """

    def __init__(self, connect: Callable[[], socket.socket] | None = None) -> None:
        self._connect = connect or _connected

    def find(self, name: str) -> str | None:
        """See :meth:`GuestVariables.find`."""
        try:
            with contextlib.closing(self._connect()) as connection:
                connection.sendall(packet(f"info-get guestinfo.{name}".encode()))
                answer = _received(connection)
        except OSError as error:
            raise TransientFailure(f"guestinfo.{name}: {error.strerror or error}") from error
        if answer[:2] == b"1 ":
            return answer[2:].decode(errors="replace")
        # The host says "No value found" for what is not set, and nothing finer.
        return None


def packet(text: bytes) -> bytes:
    """A request: its text, and that it is the last on its connection."""
    fields = _NUMBER_FIELD.pack(_NUMBER, _KIND, 1, 0)
    fields += _NUMBER_FIELD.pack(_NUMBER, _LAST, 1, 0)
    fields += _TEXT_HEAD.pack(_TEXT, _PAYLOAD, len(text)) + text
    return _LENGTH.pack(len(fields)) + fields


def payload(fields: bytes) -> bytes:
    """The text in a packet's fields.

    Raises:
        UntrustedData: there is none, or the fields are cut off.
    """
    at = 0
    try:
        while at < len(fields):
            kind, number, first = _TEXT_HEAD.unpack_from(fields, at)
            if kind == _NUMBER:
                at += _NUMBER_FIELD.size
                continue
            at += _TEXT_HEAD.size
            if kind != _TEXT or at + first > len(fields):
                break
            if number == _PAYLOAD:
                return fields[at : at + first]
            at += first
    except struct.error as error:
        raise UntrustedData("guestinfo: a packet is cut off") from error
    raise UntrustedData("guestinfo: a packet without a text")


def _received(connection: socket.socket) -> bytes:
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    if length > _LARGEST:
        raise UntrustedData(f"guestinfo: an answer of {length} bytes")
    return payload(_exactly(connection, length))


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(min(count - len(data), 1 << 16))
        if not piece:
            raise UntrustedData("guestinfo: the host closed the connection")
        data += piece
    return data


def _connected() -> socket.socket:
    """A connection from a privileged port.

    Raises:
        HostFailure: this kernel has no virtual sockets, or all ports are taken.
        OSError: the host does not take it.
    """
    for port in _PRIVILEGED:
        try:
            connection = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
        except OSError as error:
            raise HostFailure(f"no virtual sockets: {error.strerror}") from error
        try:
            connection.settimeout(_TIMEOUT)
            connection.bind((socket.VMADDR_CID_ANY, port))
            connection.connect(_HOST)
        except OSError as error:
            connection.close()
            # The host is slow to forget a port that was just used.
            if error.errno not in {errno.EADDRINUSE, errno.ECONNRESET}:
                raise
            continue
        return connection
    raise HostFailure("no privileged port is free for a virtual socket")
