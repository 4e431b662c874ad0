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

from hostio.disk.fat import Fat, mounted_fat, sync_file
from hostio.files.durable import sync_directory
from hostio.files.positioned import write_at
from hostio.system.runner import Runner


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
        self._fat = Fat(root, "firmware files")
        self._root = root

    def sizes(self) -> Mapping[str, int]:
        """See :meth:`FirmwareFiles.sizes`."""
        with self._fat.faults("list"):
            files = [path for path in self._root.iterdir() if path.is_file()]
            return {path.name: path.stat().st_size for path in sorted(files)}

    def read(self, name: str) -> bytes:
        """See :meth:`FirmwareFiles.read`."""
        path = self._root / name
        with self._fat.faults(f"read {name}"):
            size = path.stat().st_size
        return self._fat.read_medium(path, 0, size)

    def free_bytes(self) -> int:
        """See :meth:`FirmwareFiles.free_bytes`."""
        return self._fat.free_bytes()

    def stage(self, name: str, content: bytes) -> None:
        """See :meth:`FirmwareFiles.stage`."""
        descriptor = self._fat.new_staged(name)
        with self._fat.faults(f"write {name}"):
            try:
                write_at(descriptor, 0, content)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            sync_directory(self._fat.staging)
        self._fat.verify(self._fat.staging / name, content)

    def place(self, names: Sequence[str]) -> None:
        """See :meth:`FirmwareFiles.place`."""
        held: list[int] = []
        try:
            with self._fat.faults(f"replace {' and '.join(names)}"):
                # The old content keeps its clusters as long as it is open.
                there = [self._root / name for name in names if (self._root / name).exists()]
                held = [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in there]
                for name in names:
                    (self._fat.staging / name).replace(self._root / name)
                for name in names:
                    sync_file(self._root / name)
                sync_directory(self._root)
                sync_directory(self._fat.staging)
        finally:
            for descriptor in held:
                os.close(descriptor)

    def sweep(self) -> None:
        """See :meth:`FirmwareFiles.sweep`."""
        self._fat.sweep()


@contextmanager
def mounted_firmware_files(runner: Runner, device: Path, at: Path) -> Iterator[FirmwareFiles]:
    """Check, mount, hand out and unmount the FAT partition of a board.

    Raises:
        HostFailure: the file system cannot be repaired or mounted.
    """
    with mounted_fat(runner, device, at) as root:
        yield MountedFirmwareFiles(root)
