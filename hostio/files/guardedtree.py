"""Files of this machine, written whole, and only below the trees that may be written.

A path is walked directory by directory on open descriptors. A symbolic link in
the middle is followed only when root made it in a directory that only root
writes, and only to another allowed tree: the owner of a home can not send root
elsewhere. The last component is never followed.

A file is written beside its target, given owner and mode, flushed and renamed:
a reader sees the old file or all of the new one, with the right owner
from the first moment. A rest of an interrupted write is cleaned up by the next.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from osmodel.faults import HostFailure, InvalidInput

WRITABLE = frozenset({"etc", "var", "home", "root", "run"})
"""Top-level directories below which files are written."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
# Neither a FIFO nor a terminal in the place of a file may hold us up.
_READING = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_CHUNK = 1 << 20  # bytes
_MOST_LINKS = 8  # followed on the way to one file
_OTHERS_WRITE = 0o022


class Owner(NamedTuple):
    """Numbers of a user and a group."""

    user: int = 0
    group: int = 0


ROOT = Owner()


class Kind(StrEnum):
    """What a name stands for."""

    FILE = "file"
    LINK = "link"
    DIRECTORY = "directory"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is at a path; the last component is not followed.

    Attributes:
        digest: SHA-256 of a file's content, 64 hex digits; empty for others.
        target: of a link.
        mode: permission bits.
    """

    kind: Kind
    digest: str = ""
    target: str = ""
    mode: int = 0
    owner: Owner = ROOT


class ReadableTree(Protocol):
    """Port for looking at files below the writable trees.

    Paths are absolute, without ``.`` and ``..``. All raise ``InvalidInput`` for
    a path outside the writable trees and ``HostFailure`` when the file system
    refuses.
    """

    def look(self, path: str) -> Entry | None:
        """What is at ``path``, or ``None``."""
        ...

    def read(self, path: str, limit: int) -> bytes | None:
        """The first ``limit`` bytes of a file, or ``None`` if it is no file."""
        ...

    def entries(self, top: str) -> Mapping[str, Entry]:
        """All that lies below a top-level directory, by path, without directories."""
        ...


class Tree(ReadableTree, Protocol):
    """Port for files below the writable trees; the fake is ``tests.fakes.ramtree``.

    What is written is durable on return.
    """

    def put(self, path: str, content: bytes, mode: int, owner: Owner) -> None:
        """Write a file whole; directories that are missing belong to their parent's owner."""
        ...

    def link(self, path: str, target: str) -> None:
        """Make or replace a symbolic link."""
        ...

    def make_directory(self, path: str, mode: int, owner: Owner) -> None:
        """Make a directory if there is none; one that is there stays as it is."""
        ...

    def remove(self, path: str) -> None:
        """Take a file or a link away; a no-op if there is none."""
        ...


def parts_of(path: str) -> tuple[str, ...]:
    """The components of a path that may be written.

    Raises:
        InvalidInput: not absolute, not plain, or outside the writable trees.
    """
    parts = tuple(path.split("/")[1:])
    if not path.startswith("/") or not all(parts) or {".", ".."} & set(parts) or "\0" in path:
        raise InvalidInput(f"not a plain absolute path: {path!r}")
    if parts[0] not in WRITABLE or len(parts) == 1:
        allowed = ", ".join(f"/{name}" for name in sorted(WRITABLE))
        raise InvalidInput(f"{path}: outside {allowed}")
    return parts


class GuardedTree:
    """The files below ``root``; see :class:`Tree`.

    Args:
        root: the directory that holds the writable trees.
        drafts: what the names of unfinished files begin with. A program keeps
            its own for ever: by it, it finds what was interrupted.
    """

    def __init__(self, root: Path = Path("/"), *, drafts: str = ".new-") -> None:
        self._root = root
        self._drafts = drafts

    def look(self, path: str) -> Entry | None:
        """See :meth:`ReadableTree.look`."""
        with _faults(path), self._parent(path) as (parent, name):
            return None if parent is None else _look(parent, name)

    def read(self, path: str, limit: int) -> bytes | None:
        """See :meth:`ReadableTree.read`."""
        with _faults(path), self._parent(path) as (parent, name):
            if parent is None:
                return None
            return _read(parent, name, limit)

    def entries(self, top: str) -> Mapping[str, Entry]:
        """See :meth:`ReadableTree.entries`."""
        found: dict[str, Entry] = {}
        with _faults(f"/{top}"):
            for place, names, files, here in os.fwalk(self._root / top):
                above = f"/{top}{place.removeprefix(str(self._root / top))}"
                for name in (*names, *files):
                    # Machines are at work: what just went away is not there.
                    entry = _look(here, name)
                    if entry is not None and entry.kind is not Kind.DIRECTORY:
                        found[f"{above}/{name}"] = entry
        return found

    def put(self, path: str, content: bytes, mode: int, owner: Owner) -> None:
        """See :meth:`Tree.put`."""
        with _faults(path), self._parent(path, make=True) as (parent, name):
            assert parent is not None
            with _beside(parent, name, self._beside_name(name)) as beside:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
                with os.fdopen(os.open(beside, flags, 0o600, dir_fd=parent), "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fchown(file.fileno(), *owner)
                    os.fchmod(file.fileno(), mode)  # after chown, which clears bits
                    os.fsync(file.fileno())

    def link(self, path: str, target: str) -> None:
        """See :meth:`Tree.link`."""
        with _faults(path), self._parent(path, make=True) as (parent, name):
            assert parent is not None
            with _beside(parent, name, self._beside_name(name)) as beside:
                os.symlink(target, beside, dir_fd=parent)

    def make_directory(self, path: str, mode: int, owner: Owner) -> None:
        """See :meth:`Tree.make_directory`."""
        with _faults(path), self._parent(path, make=True) as (parent, name):
            assert parent is not None
            with contextlib.suppress(FileExistsError):
                os.close(_made(parent, name, mode, owner))

    def remove(self, path: str) -> None:
        """See :meth:`Tree.remove`."""
        with _faults(path), self._parent(path) as (parent, name):
            if parent is None:
                return
            for gone in (name, self._beside_name(name)):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(gone, dir_fd=parent)
            os.fsync(parent)

    def _beside_name(self, name: str) -> str:
        # Short and hidden whatever the name is: no program takes it for a file of its own.
        return f"{self._drafts}{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"

    @contextlib.contextmanager
    def _parent(self, path: str, *, make: bool = False) -> Iterator[tuple[int | None, str]]:
        """The open directory that holds ``path`` (``None`` if missing), and the last name."""
        for _ in range(_MOST_LINKS):
            parts = parts_of(path)
            found = self._walk(parts, make=make)
            if not isinstance(found, str):
                break
            path = found
        else:
            raise InvalidInput(f"{path}: too many symbolic links")
        try:
            yield found, parts[-1]
        finally:
            if found is not None:
                os.close(found)

    def _walk(self, parts: tuple[str, ...], *, make: bool) -> int | str | None:
        """Open the directory of the last part; text is the path to begin anew with."""
        # A top-level link, such as /home to var/home, is the image's own.
        here = os.open(self._root / parts[0], _DIRECTORY & ~os.O_NOFOLLOW)
        try:
            for depth, name in enumerate(parts[1:-1], start=1):
                inside = _enter(here, name, make=make)
                if inside is None or isinstance(inside, str):
                    os.close(here)
                    if inside is None:
                        return None
                    return _redirected(parts, depth, inside)
                os.close(here)
                here = inside
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(here)
            raise
        return here


def _redirected(parts: tuple[str, ...], depth: int, target: str) -> str:
    above = "/" + "/".join(parts[:depth])
    # The way to here has no links left, so ".." can be taken out of the text.
    return posixpath.normpath(posixpath.join(above, target, *parts[depth + 1 :]))


def _enter(here: int, name: str, *, make: bool) -> int | str | None:
    """Open a directory; the target of a trusted link; ``None`` if missing and not to be made."""
    try:
        return os.open(name, _DIRECTORY, dir_fd=here)
    except FileNotFoundError:
        if not make:
            return None
    except OSError:
        if not _is_trusted_link(here, name):
            raise
        return os.readlink(name, dir_fd=here)
    above = os.fstat(here)
    return _made(here, name, 0o755, Owner(above.st_uid, above.st_gid))


def _made(parent: int, name: str, mode: int, owner: Owner) -> int:
    os.mkdir(name, 0o700, dir_fd=parent)
    inside = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        os.fchown(inside, *owner)
        os.fchmod(inside, mode)
        os.fsync(inside)
        os.fsync(parent)
    except OSError:
        os.close(inside)
        raise
    return inside


def _is_trusted_link(here: int, name: str) -> bool:
    above, itself = os.fstat(here), os.stat(name, dir_fd=here, follow_symlinks=False)
    if not stat.S_ISLNK(itself.st_mode):
        return False
    return itself.st_uid == above.st_uid == 0 and not above.st_mode & _OTHERS_WRITE


@contextlib.contextmanager
def _beside(parent: int, name: str, beside: str) -> Iterator[str]:
    """A free name in the same directory that becomes ``name`` if all went well."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(beside, dir_fd=parent)
    try:
        yield beside
        os.rename(beside, name, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(beside, dir_fd=parent)
        raise
    os.fsync(parent)


def _look(parent: int, name: str) -> Entry | None:
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None
    mode, owner = stat.S_IMODE(status.st_mode), Owner(status.st_uid, status.st_gid)
    if stat.S_ISLNK(status.st_mode):
        target = os.readlink(name, dir_fd=parent)
        return Entry(Kind.LINK, target=target, mode=mode, owner=owner)
    if stat.S_ISREG(status.st_mode):
        with os.fdopen(os.open(name, _READING, dir_fd=parent), "rb") as file:
            digest = hashlib.sha256()
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return Entry(Kind.FILE, digest=digest.hexdigest(), mode=mode, owner=owner)
    kind = Kind.DIRECTORY if stat.S_ISDIR(status.st_mode) else Kind.OTHER
    return Entry(kind, mode=mode, owner=owner)


def _read(parent: int, name: str, limit: int) -> bytes | None:
    try:
        descriptor = os.open(name, _READING, dir_fd=parent)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return file.read(limit)


@contextlib.contextmanager
def _faults(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}") from error
    except UnicodeEncodeError as error:
        raise InvalidInput(f"not a file name: {path!r}") from error
