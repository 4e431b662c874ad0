"""A VMware host's end of the virtual socket, on a socket pair."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Mapping


class VmwareHost:
    """Answers ``info-get`` as the host does, one request for each connection.

    Encoded independently of the client, from the description of the format.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = dict(variables)
        self.requests: list[str] = []

    def connect(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        theirs.settimeout(10)
        threading.Thread(target=self._serve, args=(ours,), daemon=True).start()
        return theirs

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            (length,) = struct.unpack(">i", stream.read(4))
            fields: dict[int, bytes | int] = {}
            rest = stream.read(length)
            while rest:
                kind, number = struct.unpack(">ii", rest[:8])
                rest = rest[8:]
                if kind == 1:
                    low, high = struct.unpack(">II", rest[:8])
                    fields[number] = high << 32 | low
                    rest = rest[8:]
                else:
                    (size,) = struct.unpack(">i", rest[:4])
                    fields[number] = rest[4 : 4 + size]
                    rest = rest[4 + size :]
            assert fields[1] == 1
            command = fields[2]
            assert isinstance(command, bytes)
            self.requests.append(command.decode())
            reply = self._reply(command.decode()).encode()
            body = struct.pack(">iiIIiii", 1, 1, 1, 0, 2, 2, len(reply)) + reply
            connection.sendall(struct.pack(">i", len(body)) + body)

    def _reply(self, command: str) -> str:
        verb, _, name = command.partition(" ")
        if verb != "info-get":
            return "0 Unknown command"
        value = self.variables.get(name)
        return "0 No value found" if value is None else f"1 {value}"
