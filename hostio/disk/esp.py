"""The EFI system partition, as far as boot entries and the loader's state go.

FAT has no journal, so every change here is one directory operation that is
flushed before the call returns: a caller that orders its calls has ordered
what a power cut can leave behind. Kernel images are only ever written under a
temporary name outside ``EFI/Linux``, where the loader does not look; the state
of a loader that cannot rename is one sector, written where it lies.

The partition is mounted only while it is used, by one program at a time (the
caller holds the engine's lock), so looking for a name and then renaming has no
race with anybody.

Source: UAPI.1 Boot Loader Specification, "Type #2 EFI Unified Kernel Images".
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from hostio.files.durable import sync_directory
from hostio.system.runner import Command, Runner
from osmodel.faults import HostFailure

ENTRIES = Path("EFI/Linux")
STAGING = Path("EFI/twinkeel-tmp")
MOUNT_POINT = Path("/run/update-engine/esp")

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


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn the operating system's errors into faults that name ``what``."""
    try:
        yield
    except OSError as error:
        raise HostFailure(f"ESP: {what}: {error.strerror}") from error


def _rename(old: Path, new: Path) -> None:
    """Rename without replacing; the file and both directories are flushed.

    The file comes first. Linux gives a renamed file an entry without size and
    place on the medium and fills them in when the file itself is written back:
    flushing the directory alone leaves, for as long as that takes, an empty
    kernel image under a name that may boot.
    Source: Linux 6.12, fs/fat/namei_vfat.c (``vfat_rename``), measured.
    """
    with _translated(f"rename {old.name} to {new.name}"):
        if new.exists():
            raise HostFailure(f"ESP: {new.name} is already there")
        old.rename(new)
        _sync_file(new)
        sync_directory(new.parent)
        if old.parent != new.parent:
            sync_directory(old.parent)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _read(path: Path, offset: int, length: int, *, fresh: bool) -> bytes:
    """Part of a file, from the medium itself when ``fresh``."""
    with _translated(f"read {path.name}"), path.open("rb", buffering=0) as file:
        if fresh:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        parts: list[bytes] = []
        while length > 0 and (part := os.pread(file.fileno(), length, offset)):
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return b"".join(parts)


class _StagedOnDisk:
    """See :class:`StagedFile`."""

    def __init__(self, path: Path, entries: Path) -> None:
        self._path = path
        self._entries = entries
        self._size = 0
        with _translated("stage"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._file: int | None = os.open(path, flags, 0o600)

    @property
    def size(self) -> int:
        return self._size

    def write(self, data: bytes) -> None:
        assert self._file is not None
        view = memoryview(data)
        with _translated("write the new entry"):
            while view:
                view = view[os.write(self._file, view) :]
        self._size += len(data)

    def close(self) -> None:
        if self._file is None:
            return
        with _translated("flush the new entry"):
            try:
                os.fsync(self._file)
            finally:
                self._close()
            sync_directory(self._path.parent)

    def read(self, offset: int, length: int) -> bytes:
        assert self._file is None
        return _read(self._path, offset, length, fresh=True)

    def place(self, name: str) -> None:
        assert self._file is None
        _rename(self._path, self._entries / name)

    def discard(self) -> None:
        self._close()
        with _translated("discard the new entry"):
            self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class MountedEsp:
    """The ESP mounted at ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._entries = root / ENTRIES

    def names(self) -> list[str]:
        """See :meth:`Esp.names`."""
        with _translated("list"):
            if not self._entries.is_dir():
                return []
            return sorted(path.name for path in self._entries.iterdir() if path.is_file())

    def size(self, name: str) -> int:
        """See :meth:`Esp.size`."""
        with _translated(f"size of {name}"):
            return (self._entries / name).stat().st_size

    def read(self, name: str, offset: int, length: int) -> bytes:
        """See :meth:`Esp.read`."""
        return _read(self._entries / name, offset, length, fresh=False)

    def free_bytes(self) -> int:
        """See :meth:`Esp.free_bytes`."""
        with _translated("free space"):
            figures = os.statvfs(self._root)
        return figures.f_bavail * figures.f_frsize

    def rename(self, old: str, new: str) -> None:
        """See :meth:`Esp.rename`."""
        _rename(self._entries / old, self._entries / new)

    def remove(self, name: str) -> None:
        """See :meth:`Esp.remove`."""
        with _translated(f"remove {name}"):
            (self._entries / name).unlink(missing_ok=True)
            if self._entries.is_dir():
                sync_directory(self._entries)

    def small_file(self, name: str) -> bytes | None:
        """See :meth:`Esp.small_file`."""
        path = self._root / name
        return _read(path, 0, _SMALL, fresh=True) if path.is_file() else None

    def overwrite(self, name: str, content: bytes) -> None:
        """See :meth:`Esp.overwrite`."""
        path = self._root / name
        with _translated(f"write {name}"):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(descriptor, content, 0)
                if os.fstat(descriptor).st_size != len(content):
                    os.ftruncate(descriptor, len(content))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            sync_directory(self._root)
        if _read(path, 0, len(content), fresh=True) != content:
            raise HostFailure(f"ESP: {name} reads back differently")

    def sweep(self) -> None:
        """See :meth:`Esp.sweep`."""
        with _translated("sweep"):
            # fsck.vfat parks lost clusters there; one image's worth fills the ESP.
            staging = self._root / STAGING
            left = [*staging.glob("*"), *self._root.glob("FSCK*.REC")]
            # Whatever lies in our places is no reason to stop: nobody else's is there.
            for path in left if staging.is_dir() else [*left, staging]:
                _delete(path)
            sync_directory(self._root)

    def stage(self) -> StagedFile:
        """See :meth:`Esp.stage`."""
        with _translated("stage"):
            self._entries.mkdir(parents=True, exist_ok=True)
        return _StagedOnDisk(self._root / STAGING / _STAGED_NAME, self._entries)


@contextmanager
def mounted_esp(runner: Runner, device: Path, at: Path = MOUNT_POINT) -> Iterator[Esp]:
    """Check, mount, hand out and unmount the ESP; see :func:`mounted_fat`."""
    with mounted_fat(runner, device, at) as root:
        yield MountedEsp(root)


@contextmanager
def mounted_fat(runner: Runner, device: Path, at: Path = MOUNT_POINT) -> Iterator[Path]:
    """Check and mount the ESP, hand out where, and unmount it.

    Args:
        runner: runs ``fsck.vfat``, ``mount`` and ``umount``.
        device: the ESP's block device.
        at: mount point; made when missing.

    Raises:
        HostFailure: the file system cannot be repaired or mounted.
    """
    with _translated("mount point"):
        at.mkdir(parents=True, exist_ok=True, mode=0o700)
        left_behind = at.is_mount()
    if left_behind:
        # By a program that was killed; the caller's lock says that nobody uses it.
        runner.run(Command(["umount", str(at)]))
    _check(runner, device)
    options = "rw,nosuid,nodev,noexec,umask=0077,flush"
    runner.run(Command(["mount", "-t", "vfat", "-o", options, str(device), str(at)]))
    try:
        yield at
    finally:
        runner.run(Command(["umount", str(at)]))


def _check(runner: Runner, device: Path) -> None:
    """Repair the file system.

    ``fsck.vfat`` also ends with 1 when it repaired everything, so only a second
    failure means that something is left.
    """
    command = Command(["fsck.vfat", "-a", str(device)])
    try:
        runner.run(command)
    except HostFailure:
        runner.run(command)
