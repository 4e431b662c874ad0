"""The EFI system partition, as far as boot entries and the loader's state go.

FAT has no journal, so every change here is one directory operation that is
flushed before the call returns: a caller that orders its calls has ordered
what a power cut can leave behind. Kernel images are only ever written under a
temporary name outside ``EFI/Linux``, where the loader does not look; the state
of a loader that cannot rename is one sector, written where it lies.

Source: UAPI.1 Boot Loader Specification, "Type #2 EFI Unified Kernel Images".
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from hostio.disk.fat import Fat, mounted_fat, sync_file
from hostio.files.durable import sync_directory
from hostio.files.positioned import write_at
from hostio.system.runner import Runner
from osmodel.faults import HostFailure

ENTRIES = Path("EFI/Linux")

_STAGED_NAME = "uki.tmp"
_SMALL = 4096  # bytes


class StagedFile(Protocol):
    """A file being written where the loader does not look.

    Order of calls: ``write`` any number of times, ``close``, ``read`` to compare,
    then ``place`` or ``discard``.
    """

    def write(self, data: bytes) -> None:
        """Append ``data``; durable only after ``close``."""
        ...

    def close(self) -> None:
        """Flush the content to the medium; nothing can be written after it."""
        ...

    @property
    def size(self) -> int:
        """Bytes written so far."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Bytes as the medium holds them, not as a cache remembers them."""
        ...

    def place(self, name: str) -> None:
        """Make the file a boot entry in one atomic step; durable on return.

        Raises:
            HostFailure: the name is taken, or the medium refused.
        """
        ...

    def discard(self) -> None:
        """Drop the file; a no-op once it is placed or gone."""
        ...


class Esp(Protocol):
    """Boot entries on the ESP; the fake is ``tests.fakes.ramesp.RamEsp``.

    Names are file names inside ``EFI/Linux``. Every method that changes
    something is durable when it returns, and raises ``HostFailure`` when the
    medium refuses.
    """

    def names(self) -> list[str]:
        """File names in ``EFI/Linux``, sorted."""
        ...

    def size(self, name: str) -> int:
        """Bytes in an entry."""
        ...

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Part of an entry; shorter at its end."""
        ...

    def free_bytes(self) -> int:
        """Room left for new files."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Rename an entry atomically; refuses to replace another one."""
        ...

    def remove(self, name: str) -> None:
        """Delete an entry; a no-op if it is not there."""
        ...

    def small_file(self, name: str) -> bytes | None:
        """A file in the top directory, or ``None``; at most the first 4096 bytes."""
        ...

    def overwrite(self, name: str, content: bytes) -> None:
        """Write a file in the top directory where it lies, or make it.

        Meant for a sector's worth: a power cut leaves the old content, the new
        one, or one that is neither. A file that has the size already keeps its
        place on the medium, so nothing else of the file system is at stake. The
        content is compared with what the medium holds.
        """
        ...

    def sweep(self) -> None:
        """Delete abandoned staged files and what fsck left in the root."""
        ...

    def stage(self) -> StagedFile:
        """Start a new file; an abandoned one is dropped first."""
        ...


class _StagedOnDisk:
    """See :class:`StagedFile`."""

    def __init__(self, fat: Fat, entries: Path) -> None:
        self._fat = fat
        self._path = fat.staging / _STAGED_NAME
        self._entries = entries
        self._size = 0
        self._file: int | None = fat.new_staged(_STAGED_NAME)

    @property
    def size(self) -> int:
        return self._size

    def write(self, data: bytes) -> None:
        assert self._file is not None
        with self._fat.faults("write the new entry"):
            write_at(self._file, self._size, data)
        self._size += len(data)

    def close(self) -> None:
        if self._file is None:
            return
        with self._fat.faults("flush the new entry"):
            try:
                os.fsync(self._file)
            finally:
                self._close()
            sync_directory(self._path.parent)

    def read(self, offset: int, length: int) -> bytes:
        assert self._file is None
        return self._fat.read_medium(self._path, offset, length)

    def place(self, name: str) -> None:
        assert self._file is None
        _rename(self._fat, self._path, self._entries / name)

    def discard(self) -> None:
        self._close()
        with self._fat.faults("discard the new entry"):
            self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class MountedEsp:
    """The ESP mounted at ``root``."""

    def __init__(self, root: Path) -> None:
        self._fat = Fat(root, "ESP")
        self._root = root
        self._entries = root / ENTRIES

    def names(self) -> list[str]:
        """See :meth:`Esp.names`."""
        with self._fat.faults("list"):
            if not self._entries.is_dir():
                return []
            return sorted(path.name for path in self._entries.iterdir() if path.is_file())

    def size(self, name: str) -> int:
        """See :meth:`Esp.size`."""
        with self._fat.faults(f"size of {name}"):
            return (self._entries / name).stat().st_size

    def read(self, name: str, offset: int, length: int) -> bytes:
        """See :meth:`Esp.read`."""
        return self._fat.read(self._entries / name, offset, length)

    def free_bytes(self) -> int:
        """See :meth:`Esp.free_bytes`."""
        return self._fat.free_bytes()

    def rename(self, old: str, new: str) -> None:
        """See :meth:`Esp.rename`."""
        _rename(self._fat, self._entries / old, self._entries / new)

    def remove(self, name: str) -> None:
        """See :meth:`Esp.remove`."""
        with self._fat.faults(f"remove {name}"):
            (self._entries / name).unlink(missing_ok=True)
            if self._entries.is_dir():
                sync_directory(self._entries)

    def small_file(self, name: str) -> bytes | None:
        """See :meth:`Esp.small_file`."""
        path = self._root / name
        return self._fat.read_medium(path, 0, _SMALL) if path.is_file() else None

    def overwrite(self, name: str, content: bytes) -> None:
        """See :meth:`Esp.overwrite`."""
        path = self._root / name
        with self._fat.faults(f"write {name}"):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                write_at(descriptor, 0, content)
                if os.fstat(descriptor).st_size != len(content):
                    os.ftruncate(descriptor, len(content))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            sync_directory(self._root)
        self._fat.verify(path, content)

    def sweep(self) -> None:
        """See :meth:`Esp.sweep`."""
        self._fat.sweep()

    def stage(self) -> StagedFile:
        """See :meth:`Esp.stage`."""
        with self._fat.faults("stage"):
            self._entries.mkdir(parents=True, exist_ok=True)
        return _StagedOnDisk(self._fat, self._entries)


def _rename(fat: Fat, old: Path, new: Path) -> None:
    """Rename without replacing; the file and both directories are flushed.

    The file comes first. Linux gives a renamed file an entry without size and
    place on the medium and fills them in when the file itself is written back:
    flushing the directory alone leaves, for as long as that takes, an empty
    kernel image under a name that may boot.
    Source: Linux 6.12, fs/fat/namei_vfat.c (``vfat_rename``), measured.
    """
    with fat.faults(f"rename {old.name} to {new.name}"):
        if new.exists():
            raise HostFailure(f"ESP: {new.name} is already there")
        old.rename(new)
        sync_file(new)
        sync_directory(new.parent)
        if old.parent != new.parent:
            sync_directory(old.parent)


@contextmanager
def mounted_esp(runner: Runner, device: Path, at: Path) -> Iterator[Esp]:
    """Check, mount, hand out and unmount the ESP; see :func:`hostio.disk.fat.mounted_fat`."""
    with mounted_fat(runner, device, at) as root:
        yield MountedEsp(root)
