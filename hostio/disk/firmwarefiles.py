"""The files that a board reads before anything of ours runs.

They lie in the top directory of the FAT partition, beside no second copy: a
board has one. So each is replaced in an order that leaves the old file or the
new one at every moment, as far as FAT allows:

1. The new content is written under the file's own name in a directory below,
   flushed, and compared with what the medium holds.
2. It is renamed over the old one. The old content keeps its clusters until the
   file's entry is on the medium, so that the entry never names freed ones.
3. A cut between the entry's change and the removal of the other name leaves one
   content under two names. ``fsck.vfat -a`` then empties the second one it
   meets, which is the one in the directory below.

Source: Linux 6.12, fs/fat/namei_vfat.c (``vfat_rename``) and fs/fat/file.c;
dosfstools 4.2, src/check.c.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from hostio.disk.esp import STAGING, mounted_fat
from hostio.files.durable import sync_directory
from hostio.system.runner import Runner
from osmodel.faults import HostFailure


class FirmwareFiles(Protocol):
    """Port for the files in the top directory; the fake is ``tests.fakes.ramfirmwarefiles``."""

    def sizes(self) -> Mapping[str, int]:
        """Bytes of each file, by name."""
        ...

    def read(self, name: str) -> bytes:
        """Content as the medium holds it.

        Raises:
            HostFailure: missing, or not readable.
        """
        ...

    def free_bytes(self) -> int:
        """Room left for new files."""
        ...

    def stage(self, name: str, content: bytes) -> None:
        """Write content that is to replace ``name``; durable and compared on return.

        Raises:
            HostFailure: no room, or the medium holds something else.
        """
        ...

    def place(self, names: Sequence[str]) -> None:
        """Replace files by what was staged for them, one right after the other.

        Durable on return. A cut leaves each file old or new.

        Raises:
            HostFailure: the medium refused.
        """
        ...

    def sweep(self) -> None:
        """Drop what was staged and not placed, and what a repair has put aside."""
        ...


class MountedFirmwareFiles:
    """See :class:`FirmwareFiles`; the file system is mounted at ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._staging = root / STAGING

    def sizes(self) -> Mapping[str, int]:
        """See :meth:`FirmwareFiles.sizes`."""
        with _translated("list"):
            files = [path for path in self._root.iterdir() if path.is_file()]
            return {path.name: path.stat().st_size for path in sorted(files)}

    def read(self, name: str) -> bytes:
        """See :meth:`FirmwareFiles.read`."""
        return _fresh(self._root / name)

    def free_bytes(self) -> int:
        """See :meth:`FirmwareFiles.free_bytes`."""
        with _translated("free space"):
            figures = os.statvfs(self._root)
        return figures.f_bavail * figures.f_frsize

    def stage(self, name: str, content: bytes) -> None:
        """See :meth:`FirmwareFiles.stage`."""
        path = self._staging / name
        with _translated(f"write {name}"):
            self._staging.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            with path.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            sync_directory(self._staging)
        if _fresh(path) != content:
            raise HostFailure(f"firmware files: {name} reads back differently")

    def place(self, names: Sequence[str]) -> None:
        """See :meth:`FirmwareFiles.place`."""
        held: list[int] = []
        try:
            with _translated(f"replace {' and '.join(names)}"):
                held = [_opened(self._root / name) for name in names if self._has(name)]
                for name in names:
                    (self._staging / name).replace(self._root / name)
                for name in names:
                    _flush(self._root / name)
                sync_directory(self._root)
                sync_directory(self._staging)
        finally:
            for descriptor in held:
                os.close(descriptor)

    def sweep(self) -> None:
        """See :meth:`FirmwareFiles.sweep`."""
        with _translated("sweep"):
            for path in [*self._staging.glob("*"), *self._root.glob("FSCK*.REC")]:
                path.unlink()
            sync_directory(self._root)

    def _has(self, name: str) -> bool:
        return (self._root / name).exists()


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _flush(path: Path) -> None:
    descriptor = _opened(path)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fresh(path: Path) -> bytes:
    with _translated(f"read {path.name}"), path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return file.read()


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn the operating system's errors into faults that name ``what``."""
    try:
        yield
    except OSError as error:
        raise HostFailure(f"firmware files: {what}: {error.strerror}") from error


@contextmanager
def mounted_firmware_files(runner: Runner, device: Path) -> Iterator[FirmwareFiles]:
    """Check, mount, hand out and unmount the FAT partition of a board.

    Raises:
        HostFailure: the file system cannot be repaired or mounted.
    """
    with mounted_fat(runner, device) as root:
        yield MountedFirmwareFiles(root)
