"""Read what lies below a directory: a disk, a share, a USB drive.

The directory is as hostile as a server. Below its root no symbolic link is
followed, only regular files are opened, and a name pipe or device in the place
of a file cannot block us.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hostio.net.budget import Budget
from hostio.net.fetch import NotFound
from osmodel.faults import InvalidInput, TransientFailure, UntrustedData

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: opening a named pipe must not wait for its other end.
_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
# How the kernel says: a link where O_NOFOLLOW forbids one, a socket, a name no
# builder of ours writes.
_NOT_PLAIN = {errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.ENAMETOOLONG}


class DirectoryFetcher:
    """Reads files below one directory.

    Args:
        location: absolute path, or ``file:///`` with one; may itself be
            reached by links, nothing below it may.
    """

    def __init__(self, location: str) -> None:
        self._location = location.rstrip("/")
        self._root = directory_of(location)

    def open(self, url: str, offset: int = 0, budget: Budget | None = None) -> FileStream:
        """See :meth:`hostio.net.fetch.Fetcher.open`; a local read waits for no server."""
        del budget
        names = self._names(url)
        try:
            descriptor = self._descend(names)
        except FileNotFoundError as error:
            raise NotFound(f"{url}: no such file") from error
        except OSError as error:
            if error.errno in _NOT_PLAIN:
                raise UntrustedData(f"{url}: not a plain file: {error.strerror}") from error
            raise TransientFailure(f"{url}: {error.strerror}") from error
        return _stream(descriptor, url, offset)

    def _names(self, url: str) -> list[str]:
        prefix = f"{self._location}/"
        if not url.startswith(prefix):
            raise InvalidInput(f"{url} is not below {self._location}")
        names = url.removeprefix(prefix).split("/")
        if self._location.startswith("file:"):
            names = [unquote(name) for name in names]
        for name in names:
            if name in {"", ".", ".."} or "/" in name or "\0" in name:
                raise InvalidInput(f"{url!r} does not name a file below {self._location}")
        return names

    def _descend(self, names: list[str]) -> int:
        descriptor = os.open(self._root, _DIRECTORY)
        for name in names:
            flags = _FILE if name is names[-1] else _DIRECTORY | os.O_NOFOLLOW
            try:
                below = os.open(name, flags, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            descriptor = below
        return descriptor


class FileStream:
    """A regular file, read in order."""

    def __init__(self, file: io.FileIO, url: str, offset: int) -> None:
        self._file = file
        self._url = url
        self._total = os.fstat(file.fileno()).st_size
        self._left = max(self._total - offset, 0)
        file.seek(offset)

    @property
    def total(self) -> int | None:
        """Size of the file in bytes when it was opened."""
        return self._total

    def read(self, size: int) -> bytes:
        """See :meth:`hostio.net.fetch.ByteStream.read`."""
        try:
            data = self._file.read(min(size, self._left))
        except OSError as error:
            # A drive that was pulled or a share that went away.
            raise TransientFailure(f"{self._url}: {error.strerror}") from error
        if self._left and size and not data:
            raise TransientFailure(f"{self._url}: ended {self._left} bytes early")
        self._left -= len(data)
        return data

    def close(self) -> None:
        """See :meth:`hostio.net.fetch.ByteStream.close`."""
        self._file.close()


def directory_of(location: str) -> Path:
    """The directory a ``file:`` URL or an absolute path names.

    Raises:
        InvalidInput: relative, on another host, or not a path at all.
    """
    parts = urlsplit(location)
    path = unquote(parts.path) if parts.scheme == "file" else location
    elsewhere = parts.scheme == "file" and parts.netloc not in {"", "localhost"}
    if elsewhere or not path.startswith("/") or "\0" in path:
        raise InvalidInput(
            f"not an absolute directory: {location!r}",
            hint="write /srv/files or file:///srv/files",
        )
    return Path(path)


def _stream(descriptor: int, url: str, offset: int) -> FileStream:
    """Wrap an open descriptor; closes it when it is not a regular file."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UntrustedData(f"{url}: not a regular file")
    return FileStream(os.fdopen(descriptor, "rb", buffering=0), url, offset)
