"""Locks on files, between processes; the kernel drops them with the process.

Ours are ``flock`` locks: they belong to the open file, so two threads of one
process exclude each other as well. Record locks are for files whose other
users take those: the account files, and disks that QEMU holds.

A lock file that anybody else can open is no lock: a process that can read a file can
also hold it for ever.

Source: flock(2), fcntl(2) of Linux 6.12.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self

from osmodel.faults import HostFailure, TransientFailure

_FLOCK = struct.Struct("hhqqi4x")  # struct flock of Linux on 64-bit machines


class Hold(Enum):
    """With whom a lock is shared."""

    ALONE = fcntl.LOCK_EX
    SHARED = fcntl.LOCK_SH


class FileLock:
    """An open lock file, not held at first.

    Args:
        path: of the lock file, which is made with its directories; or a directory.
        records: take record locks, for a file whose other users do.

    Raises:
        HostFailure: it cannot be opened.
    """

    def __init__(self, path: Path, *, records: bool = False) -> None:
        self._path = path
        self._call = fcntl.lockf if records else fcntl.flock
        try:
            self._descriptor = _opened(path)
        except OSError as error:
            raise HostFailure(f"{path}: {error.strerror}") from error

    def take(self, hold: Hold = Hold.ALONE) -> None:
        """Hold it; waits for others.

        Raises:
            HostFailure: the file system has no locks.
        """
        self._lock(hold.value)

    def try_to_take(self, hold: Hold = Hold.ALONE) -> bool:
        """Hold it, unless that would mean to wait.

        Raises:
            HostFailure: as :meth:`take`.
        """
        try:
            self._call(self._descriptor, hold.value | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # fcntl(2) allows either
            return False
        except OSError as error:
            raise HostFailure(f"{self._path}: lock: {error.strerror}") from error
        return True

    def release(self) -> None:
        """Hold it no more; it can be taken again."""
        self._lock(fcntl.LOCK_UN)

    def is_still_there(self) -> bool:
        """Whether the path still leads to this file."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except OSError:
            return False

    def close(self) -> None:
        """Give everything back."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _lock(self, operation: int) -> None:
        try:
            self._call(self._descriptor, operation)
        except OSError as error:
            raise HostFailure(f"{self._path}: lock: {error.strerror}") from error


@contextmanager
def locked(path: Path, *, busy: str, hint: str = "", records: bool = False) -> Iterator[None]:
    """Hold a lock file or a directory for a block, if no other process does.

    Args:
        path: as for :class:`FileLock`.
        busy: what to say when another process holds it.
        hint: and what to do then.
        records: as for :class:`FileLock`.

    Raises:
        TransientFailure: another process holds it.
        HostFailure: it cannot be opened.
    """
    with FileLock(path, records=records) as lock:
        if not lock.try_to_take():
            raise TransientFailure(busy, hint=hint)
        yield


@contextmanager
def locked_in_turn(path: Path) -> Iterator[None]:
    """Hold a lock file for a block; waits for others. A holder may delete the file.

    Raises:
        HostFailure: it cannot be opened.
    """
    while True:
        with FileLock(path) as lock:
            lock.take()
            # If the holder before us has removed the file, our lock is on a
            # name that no other process will meet.
            if lock.is_still_there():
                yield
                return


def has_record_locks(path: Path) -> bool:
    """Whether another open file holds a record lock on any byte of ``path``.

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


def _opened(path: Path) -> int:
    if path.is_dir():
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
