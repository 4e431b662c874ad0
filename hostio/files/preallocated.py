"""Small files that can be written on a full disk.

A file that is written beside its target and renamed needs new blocks, and any
user can fill a disk. So the text also lies, twice and with checksums, in a
second file whose blocks were written beforehand (``NAME.copies``, see
``osmodel.doublecopy``), and a change goes there first.

The plain file is kept up to date as far as there is room: people read it, and
so do older versions of this system, which know nothing else. What an older
version (or a person) writes to it counts: each copy remembers which plain file
it has seen, so another one is newer than the copies.

Either way is enough. A write fails only if both do, and then the old text or
the new one is there. A power cut leaves the old text or the new one.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from hostio.files.durable import sync_directory
from hostio.files.positioned import read_at, write_at
from hostio.files.statefiles import DurableFile, TextFile
from osmodel import doublecopy
from osmodel.doublecopy import Copy, Reading
from osmodel.faults import HostFailure

CAPACITY = 64 * 1024  # bytes of text


class Region(Protocol):
    """Space of a fixed size; ``hostio.disk.blockdev`` says what each method promises."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""
        ...

    def write(self, offset: int, data: bytes) -> None:
        """Write all of ``data``."""
        ...

    def flush(self) -> None:
        """Everything written is durable on return."""
        ...

    def drop_cache(self) -> None:
        """Forget what is not durable: later reads come from the medium."""
        ...


def is_json_object(text: str) -> bool:
    """Whether a text is one whole JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


class CopiedText:
    """A text in two copies and a plain file; see :class:`hostio.files.statefiles.TextFile`.

    Args:
        looking: opens the space of the copies to be read.
        changing: opens it for one change, against all others.
        plain: the plain file.
        is_whole: whether a text of the plain file can be one; half a file of an
            older version must not count.
    """

    def __init__(
        self,
        looking: Callable[[], AbstractContextManager[Region]],
        changing: Callable[[], AbstractContextManager[Region]],
        plain: TextFile,
        is_whole: Callable[[str], bool] = is_json_object,
    ) -> None:
        self._looking = looking
        self._changing = changing
        self._plain = plain
        self._is_whole = is_whole

    def read(self) -> str | None:
        """See :meth:`hostio.files.statefiles.TextFile.read`."""
        copy = self._copy()
        try:
            plain = self._plain.read()
        except HostFailure:
            if copy is None:
                raise
            return copy.text
        if copy is None:
            return plain
        return plain if plain is not None and self._is_newer(plain, copy) else copy.text

    def write(self, text: str) -> None:
        """See :meth:`hostio.files.statefiles.TextFile.write`."""
        self._change(text, lambda: self._plain.write(text))

    def remove(self) -> None:
        """See :meth:`hostio.files.statefiles.TextFile.remove`; the copies keep their space."""
        self._change(None, self._plain.remove)

    def _is_newer(self, plain: str, copy: Copy) -> bool:
        """Whether another program has written the plain file after this copy."""
        seen = doublecopy.digest(plain) in (copy.beside, doublecopy.digest(copy.text))
        return not seen and self._is_whole(plain)

    def _change(self, text: str | None, change_plain: Callable[[], None]) -> None:
        try:
            with self._changing() as region:
                _put(region, text, self._plain_digest())
                with suppress(HostFailure):
                    change_plain()
                    # The copies take note of it, so that an older version can go
                    # back to the text before and be understood.
                    _put(region, text, doublecopy.digest(text))
        except HostFailure:
            if not self._would_count_alone(text):
                raise
            change_plain()

    def _would_count_alone(self, text: str | None) -> bool:
        """Whether the plain file would be believed, beside the copies as they are."""
        copy = self._copy()
        if copy is None or text is None:
            return copy is None
        return text == copy.text or self._is_newer(text, copy)

    def _copy(self) -> Copy | None:
        with suppress(HostFailure), self._looking() as region:
            return _reading(region).counts
        return None

    def _plain_digest(self) -> bytes:
        try:
            return doublecopy.digest(self._plain.read())
        except HostFailure:
            return doublecopy.digest(None)


class PreallocatedFile(CopiedText):
    """A durable small file that can be written on a full disk.

    Args:
        path: of the plain file; the copies lie beside it as ``NAME.copies``.
        capacity: bytes of text that the copies hold; a longer text has the
            plain file alone, and needs room for it.
        mode: permission bits of the plain file. The copies are the owner's
            alone: a process that can open a file can also lock it.
        is_whole: see :class:`CopiedText`.
    """

    def __init__(
        self,
        path: Path,
        *,
        capacity: int = CAPACITY,
        mode: int = 0o600,
        is_whole: Callable[[str], bool] = is_json_object,
    ) -> None:
        self._copies = path.with_name(f"{path.name}.copies")
        self._size = doublecopy.size_for(capacity)
        super().__init__(
            lambda: _opened(self._copies, os.O_RDONLY),
            lambda: _opened(self._copies, os.O_RDWR),
            DurableFile(path, mode=mode),
            is_whole,
        )

    def prepare(self) -> None:
        """Take the space, durably, if it is not taken yet.

        The first write does so as well, but then the disk may be full.

        Raises:
            HostFailure: no room.
        """
        try:
            with _opened(self._copies, os.O_RDONLY) as region:
                if region.size == self._size or _reading(region).counts is not None:
                    return
        except HostFailure:
            pass  # not there, as a rule
        _allocate(self._copies, self._size)

    def write(self, text: str) -> None:
        """See :meth:`hostio.files.statefiles.TextFile.write`."""
        with suppress(HostFailure):
            self.prepare()
        super().write(text)

    def remove(self) -> None:
        """See :meth:`CopiedText.remove`."""
        if self._copies.exists():
            super().remove()
        else:
            self._plain.remove()


def _reading(region: Region) -> Reading:
    """Both copies; one that cannot be read is not whole."""
    half = region.size // 2
    copies: list[Copy | None] = [None, None]
    for place in (0, 1):
        with suppress(HostFailure):
            copies[place] = doublecopy.decode(region.read(place * half, half))
    return doublecopy.read((copies[0], copies[1]))


def _put(region: Region, text: str | None, beside: bytes) -> None:
    counts, place = _reading(region)
    half = region.size // 2
    generation = counts.generation + 1 if counts is not None else 1
    data = doublecopy.encode(Copy(generation, text, beside), half)
    if data is None:
        raise HostFailure(f"a text longer than the {half} bytes there are for it")
    try:
        region.write(place * half, data)
        region.flush()
    except HostFailure:
        # The cache must not say that the medium has what it refused: the next
        # change would take the only good copy for the old one.
        with suppress(HostFailure):
            region.drop_cache()
        raise


class _OpenRegion:
    """A file of fixed size; see :class:`Region`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size

    @property
    def size(self) -> int:
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        with _faults(self._path, "read"):
            return read_at(self._descriptor, offset, length)

    def write(self, offset: int, data: bytes) -> None:
        with _faults(self._path, "write"):
            write_at(self._descriptor, offset, data)

    def flush(self) -> None:
        with _faults(self._path, "flush"):
            os.fdatasync(self._descriptor)

    def drop_cache(self) -> None:
        with _faults(self._path, "drop cache"):
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def _opened(path: Path, access: int) -> Iterator[Region]:
    """The space; for this process alone if it is to be changed.

    A reader needs no lock: at every moment one copy is whole.
    """
    with _faults(path, "open"):
        descriptor = os.open(path, access | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if access != os.O_RDONLY:
            with _faults(path, "lock"):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield _OpenRegion(path, descriptor)
    finally:
        os.close(descriptor)


def _allocate(path: Path, size: int) -> None:
    """Write a file of zeros, durably.

    Written, not only reserved: a file system may need new blocks of its own
    when a reserved block is written for the first time.
    """
    beside = path.with_name(f".{path.name}.new")
    with _faults(path, "allocate"):
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        descriptor = os.open(beside, flags, 0o600)
        try:
            write_at(descriptor, 0, bytes(size))
            os.fsync(descriptor)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        beside.replace(path)
        sync_directory(path.parent)


@contextmanager
def _faults(path: Path, action: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostFailure(f"{path}: {action}: {error.strerror}") from error
