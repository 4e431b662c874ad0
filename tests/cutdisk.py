"""A real file system that loses power: only what was flushed is found afterwards.

ext2 has no journal, like FAT and unlike ext4: next to nothing that was not
flushed by name reaches the disk within the seconds that a test takes. The disk
is copied while the file system is mounted, as a cut would leave it, and the
copy mounted.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hostio.system.runner import Command, LocalRunner
from osmodel.faults import Fault

_RUNNER = LocalRunner()
_SIZE = 4 << 20  # bytes
# One inode in a block: flushing one must not flush another by chance.
_MKFS = ("mkfs.ext4", "-q", "-F", "-b", "1024", "-I", "1024", "-t")


class CutDisk:
    """A mounted disk.

    Args:
        directory: for the image and the mount points.
        kind: ``ext2`` or ``ext4``.
    """

    def __init__(self, directory: Path, kind: str) -> None:
        self._kind = kind
        self._image = directory / "image"
        self._copy = directory / "copy"
        self._found = directory / "found"
        self.root = directory / "mounted"

    @contextmanager
    def mounted(self) -> Iterator["CutDisk"]:
        """Make the file system and mount it; skips where that cannot be."""
        for place in (self.root, self._found):
            place.mkdir()
        with self._image.open("wb") as file:
            file.truncate(_SIZE)
        try:
            _RUNNER.run(Command([*_MKFS, self._kind, str(self._image)]))
            self._mount()
        except Fault as fault:
            pytest.skip(f"no loop devices or no {self._kind} here: {fault}")
        try:
            yield self
        finally:
            _RUNNER.run(Command(["umount", str(self.root)]))

    def settle(self) -> None:
        """Make everything durable, so that only later operations are at stake.

        Linux flushes the directory of a file that it has made itself since the
        mount, when the file is flushed: none is such a one afterwards.
        """
        _RUNNER.run(Command(["umount", str(self.root)]))
        self._mount()

    def _mount(self) -> None:
        _RUNNER.run(Command(["mount", "-o", "loop", str(self._image), str(self.root)]))

    @contextmanager
    def after_cut(self) -> Iterator[Path]:
        """The files that are found if power is lost at this moment."""
        shutil.copyfile(self._image, self._copy)
        _RUNNER.run(Command(["mount", "-o", "loop", str(self._copy), str(self._found)]))
        try:
            yield self._found
        finally:
            _RUNNER.run(Command(["umount", str(self._found)]))
