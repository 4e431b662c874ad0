"""The hardware watchdog: restarts a machine that hangs before anybody else could.

Source: Linux 6.12, Documentation/watchdog/watchdog-api.rst.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from pathlib import Path
from typing import Protocol

_SET_TIMEOUT = 0xC004_5706
_KEEP_ALIVE = 0x8004_5705


class Watchdog(Protocol):
    """Port for the watchdog; without one it is :class:`NoWatchdog`, also in tests."""

    def alive(self) -> None:
        """Say that we still make progress."""
        ...


class NoWatchdog:
    """Stands in on machines without one."""

    def alive(self) -> None:
        """There is no watchdog to feed."""


class KernelWatchdog:
    """An open watchdog. It is never stopped: the service manager takes it over."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def alive(self) -> None:
        """See :meth:`Watchdog.alive`."""
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._descriptor, _KEEP_ALIVE, bytearray(4))


def open_watchdog(timeout: int, node: Path = Path("/dev/watchdog")) -> Watchdog | None:
    """Start the watchdog, if the machine has one and no other process holds it.

    Args:
        timeout: seconds; hardware may round or refuse, then its own value stays.
        node: the device.
    """
    try:
        descriptor = os.open(node, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        fcntl.ioctl(descriptor, _SET_TIMEOUT, bytearray(struct.pack("i", timeout)))
    return KernelWatchdog(descriptor)
