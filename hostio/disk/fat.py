"""A mounted FAT, by the few operations that are safe on it.

FAT has no journal: what a call promises to be durable is flushed before it
returns, file by file and directory by directory.

The partition is mounted only while it is used, by one program at a time (the
caller holds a lock of its own), so looking for a name and then renaming has no
race with anybody.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hostio.files.durable import sync_directory
from hostio.files.positioned import read_at
from hostio.system.runner import Command, Runner
from osmodel.faults import HostFailure

STAGING = Path("EFI/twinkeel-tmp")
"""Where files are written before they get their names; no loader looks there."""

# Others may write to this partition: nothing on it is a device or a program.
_OPTIONS = "rw,nosuid,nodev,noexec,umask=0077,flush"


class Fat:
    """The files of a FAT.

    Args:
        root: where it is mounted.
        what: its name in messages.
    """

    def __init__(self, root: Path, what: str) -> None:
        self.root = root
        self.staging = root / STAGING
        self._what = what

    @contextmanager
    def faults(self, action: str) -> Iterator[None]:
        """Turn the operating system's errors into faults that name ``action``."""
        try:
            yield
        except OSError as error:
            raise HostFailure(f"{self._what}: {action}: {error.strerror}") from error

    def free_bytes(self) -> int:
        """Room left for new files."""
        with self.faults("free space"):
            figures = os.statvfs(self.root)
        return figures.f_bavail * figures.f_frsize

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """Part of a file; shorter at its end."""
        with self.faults(f"read {path.name}"), path.open("rb", buffering=0) as file:
            return read_at(file.fileno(), offset, length)

    def read_medium(self, path: Path, offset: int, length: int) -> bytes:
        """Part of a file as the medium holds it, not as a cache remembers it."""
        with self.faults(f"read {path.name}"), path.open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            return read_at(file.fileno(), offset, length)

    def verify(self, path: Path, content: bytes) -> None:
        """Compare a file with what the medium holds.

        Raises:
            HostFailure: it differs.
        """
        if self.read_medium(path, 0, len(content) + 1) != content:
            raise HostFailure(f"{self._what}: {path.name} reads back differently")

    def new_staged(self, name: str) -> int:
        """Open an empty file in the staging directory for writing; returns its descriptor."""
        path = self.staging / name
        with self.faults(f"write {name}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_whatever(path)
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def sweep(self) -> None:
        """Delete what was staged and not placed, and what a repair has put aside.

        ``fsck.vfat`` parks lost clusters in the top directory; those of one
        kernel image fill the partition.
        """
        with self.faults("sweep"):
            left = [*self.staging.glob("*"), *self.root.glob("FSCK*.REC")]
            for path in left if self.staging.is_dir() else [*left, self.staging]:
                remove_whatever(path)
            sync_directory(self.root)


def sync_file(path: Path) -> None:
    """Flush a file: its content, its size and its place on the medium."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_whatever(path: Path) -> None:
    """Delete a file or a directory; a no-op if there is neither.

    A FAT is written by other systems as well: nothing that lies in our way may
    stop us, whatever it is.
    """
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    # Not by shutil: the initrd would carry all compressors for it.
    for top, directories, files in os.walk(path, topdown=False):
        for name in files:
            Path(top, name).unlink()
        for name in directories:
            inner = Path(top, name)
            inner.unlink() if inner.is_symlink() else inner.rmdir()
    path.rmdir()


@contextmanager
def mounted_fat(runner: Runner, device: Path, at: Path) -> Iterator[Path]:
    """Check and mount a FAT, hand out where, and unmount it.

    Args:
        runner: runs ``fsck.vfat``, ``mount`` and ``umount``.
        device: its block device.
        at: mount point, private to the caller; made when missing.

    Raises:
        HostFailure: the file system cannot be repaired or mounted.
    """
    try:
        at.mkdir(parents=True, exist_ok=True, mode=0o700)
        left_behind = at.is_mount()
    except OSError as error:
        raise HostFailure(f"{at}: {error.strerror}") from error
    if left_behind:
        # By a program that was killed; the caller's lock says that no process uses it.
        runner.run(Command(["umount", str(at)]))
    _check(runner, device)
    runner.run(Command(["mount", "-t", "vfat", "-o", _OPTIONS, str(device), str(at)]))
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
