"""Asks whether another process holds a lock on a file."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

from osmodel.faults import HostFailure

_FLOCK = struct.Struct("hhqqi4x")  # struct flock of Linux on 64-bit machines


def is_locked(path: Path) -> bool:
    """Whether anybody holds a record lock on any byte of ``path``.

    QEMU locks its disks this way as long as the process exists, which can be a
    moment longer than the one that was asked to end it.

    Raises:
        HostFailure: the file cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}") from error
    try:
        wanted = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, wanted)
    finally:
        os.close(descriptor)
    return bool(_FLOCK.unpack(found)[0] != fcntl.F_UNLCK)
