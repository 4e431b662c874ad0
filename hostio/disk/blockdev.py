"""The block device port: fixed size, explicit flush, reads that can bypass the cache.

A slot is written through this port alone, so the test that cuts the power at
every operation sees everything that reaches a disk.

The adapter works on block devices and on plain files. A block device is opened
exclusively: the kernel then refuses one that is mounted or that carries the
running root, whatever the caller believed about it.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from hostio.files.positioned import read_at
from osmodel.faults import HostFailure

_AHEAD = 2 << 20  # bytes
_BLKFLSBUF = 0x1261  # linux/fs.h: _IO(0x12, 97)


class BlockDevice(Protocol):
    """Port for bytes at offsets; the fake is ``tests.fakes.ramdisk.RamDisk``.

    Writes become durable at the next ``flush``; until then a power cut may keep
    any part of them, in any order. Offsets outside the device are refused and
    never make it grow.
    """

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes.

        Raises:
            HostFailure: outside the device, or it can not be read.
        """
        ...

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write all of ``data``.

        Raises:
            HostFailure: outside the device, full, or it can not be written.
        """
        ...

    def flush(self) -> None:
        """Everything written is durable on return.

        Raises:
            HostFailure: some of it could not be written.
        """
        ...

    def drop_cache(self) -> None:
        """Flush, then forget: later reads come from the medium.

        Raises:
            HostFailure: as :meth:`flush`.
        """
        ...


class FileBlockDevice:
    """A partition, a disk, or a file of fixed size.

    Args:
        path: what to open.
        read_only: refuse writes.
        shared: open a block device although others use it, for a whole disk
            some of whose partitions are in use.

    Raises:
        HostFailure: missing, in use, or neither block device nor file.
    """

    def __init__(self, path: Path, *, read_only: bool = False, shared: bool = False) -> None:
        self._path = path
        flags = os.O_CLOEXEC | (os.O_RDONLY if read_only else os.O_RDWR)
        with self._faults("open"):
            mode = path.stat().st_mode
            self._is_block = stat.S_ISBLK(mode)
            if not self._is_block and not stat.S_ISREG(mode):
                raise HostFailure(f"{path}: neither a block device nor a file")
            if self._is_block and not shared and not read_only:
                flags |= os.O_EXCL
            self._descriptor = os.open(path, flags)
        self._next_read = 0
        with self._faults("size"):
            self._size = os.lseek(self._descriptor, 0, os.SEEK_END)

    @property
    def size(self) -> int:
        """See :attr:`BlockDevice.size`."""
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """See :meth:`BlockDevice.read`."""
        self._check(offset, length)
        with self._faults(f"read {length} bytes at {offset}"):
            if offset == self._next_read:
                ahead = offset + length
                os.posix_fadvise(self._descriptor, ahead, _AHEAD, os.POSIX_FADV_WILLNEED)
            self._next_read = offset + length
            data = read_at(self._descriptor, offset, length)
        if len(data) < length:
            raise HostFailure(f"{self._path}: ends at {offset + len(data)}")
        return data

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """See :meth:`BlockDevice.write`."""
        view = memoryview(data)
        self._check(offset, len(view))
        with self._faults(f"write {len(view)} bytes at {offset}"):
            while view:
                written = os.pwrite(self._descriptor, view, offset)
                # Start writing now, so that the flush finds little left to do.
                os.posix_fadvise(self._descriptor, offset, written, os.POSIX_FADV_DONTNEED)
                view = view[written:]
                offset += written

    def flush(self) -> None:
        """See :meth:`BlockDevice.flush`."""
        with self._faults("flush"):
            os.fdatasync(self._descriptor)

    def drop_cache(self) -> None:
        """See :meth:`BlockDevice.drop_cache`."""
        self.flush()
        with self._faults("drop cache"):
            if self._is_block:
                fcntl.ioctl(self._descriptor, _BLKFLSBUF, 0)
            else:
                os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self) -> None:
        """Give the device back; what was not flushed may still be lost."""
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

    def _check(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self._size:
            raise HostFailure(
                f"{self._path}: {length} bytes at {offset} are outside its {self._size} bytes"
            )

    @contextmanager
    def _faults(self, action: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise HostFailure(f"{self._path}: {action}: {error.strerror}") from error


def first_bytes(path: Path, length: int) -> bytes:
    """The beginning of a device or file, at most ``length`` bytes.

    Raises:
        HostFailure: it cannot be read.
    """
    with FileBlockDevice(path, read_only=True) as device:
        return device.read(0, min(length, device.size))
