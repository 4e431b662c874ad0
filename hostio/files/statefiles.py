"""Small files that hold what must outlive a process.

Durable files lie on the state partition, which has a journal; volatile ones
below /run, where only other processes can see half a file, not a power cut.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from hostio.files.durable import replace_file, sync_directory
from osmodel.faults import HostFailure

_LONGEST = 1 << 20  # bytes read of any state file


class TextFile(Protocol):
    """Port for one small file; the fake is ``tests.fakes.ramfile.RamFile``."""

    def read(self) -> str | None:
        """The content, or ``None`` if there is no such file.

        Raises:
            HostFailure: it cannot be read.
        """
        ...

    def write(self, text: str) -> None:
        """Replace the content: readers see the old text or the new one, whole.

        Raises:
            HostFailure: it cannot be written.
        """
        ...

    def remove(self) -> None:
        """Delete the file; a no-op if there is none."""
        ...


class DurableFile:
    """A file whose replacement survives a power cut once ``write`` returns."""

    def __init__(self, path: Path, *, mode: int = 0o600) -> None:
        self._path = path
        self._mode = mode

    def read(self) -> str | None:
        """See :meth:`TextFile.read`; damaged bytes are read as U+FFFD."""
        try:
            with self._path.open("rb") as file:
                return file.read(_LONGEST).decode(errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HostFailure(f"{self._path}: {error.strerror}") from error

    def write(self, text: str) -> None:
        """See :meth:`TextFile.write`."""
        replace_file(self._path, text.encode(), mode=self._mode)

    def remove(self) -> None:
        """See :meth:`TextFile.remove`."""
        try:
            self._path.unlink(missing_ok=True)
            if self._path.parent.is_dir():
                sync_directory(self._path.parent)
        except OSError as error:
            raise HostFailure(f"{self._path}: {error.strerror}") from error


class VolatileFile(DurableFile):
    """A file below /run: replaced whole, readable for all, never flushed."""

    def write(self, text: str) -> None:
        """See :meth:`TextFile.write`."""
        beside = self._path.with_name(f".{self._path.name}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(text, encoding="utf-8")
            beside.replace(self._path)
        except OSError as error:
            raise HostFailure(f"{self._path}: {error.strerror}") from error


class Archive(Protocol):
    """Port for records kept for people; the fake is ``tests.fakes.ramarchive``."""

    def keep(self, record: str, name: str, content: bytes) -> str:
        """Store ``content`` as file ``name`` of ``record``; returns the record's place."""
        ...

    def prune(self, newest: int) -> None:
        """Delete all records but the ``newest`` ones."""
        ...


class DirectoryArchive:
    """Records as directories below ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, record: str, name: str, content: bytes) -> str:
        """See :meth:`Archive.keep`."""
        place = self._root / record
        replace_file(place / name, content, mode=0o600)
        return str(place)

    def prune(self, newest: int) -> None:
        """See :meth:`Archive.prune`."""
        try:
            records = sorted(self._root.iterdir(), key=lambda path: path.stat().st_mtime)
            for record in records[: max(len(records) - newest, 0)]:
                for file in record.iterdir():
                    file.unlink()
                record.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            raise HostFailure(f"{self._root}: {error.strerror}") from error
