"""The name of this machine, as the kernel has it."""

from __future__ import annotations

import socket
from typing import Protocol

from osmodel.faults import HostFailure, InvalidInput


class HostName(Protocol):
    """Port for the kernel's host name; the fake is ``tests.fakes.cloudmachine``."""

    def current(self) -> str:
        """The name in force."""
        ...

    def set(self, name: str) -> None:
        """Change it until the next boot; the kernel notifies its watchers.

        Raises:
            InvalidInput: longer than 64 bytes, or not ASCII.
            HostFailure: the kernel refused.
        """
        ...


class KernelHostName:
    """The name in this machine's kernel."""

    def current(self) -> str:
        """See :meth:`HostName.current`."""
        return socket.gethostname()

    def set(self, name: str) -> None:
        """See :meth:`HostName.set`."""
        longest = 64  # bytes, __NEW_UTS_LEN
        if not name.isascii() or not name.isprintable() or not 0 < len(name) <= longest:
            raise InvalidInput(f"not a host name: {name!r}")
        try:
            socket.sethostname(name)
        except OSError as error:
            raise HostFailure(f"set host name {name!r}: {error.strerror}") from error
