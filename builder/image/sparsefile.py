"""Files with holes: read only where there is something.

A disk image is mostly holes. Reading them makes the kernel fill its page cache
with zeros, which costs more than hashing them; so holes are never read.

Source: Linux, lseek(2), SEEK_DATA and SEEK_HOLE. A file system that knows of no
holes says that everything is data.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

PIECE = 1 << 18
"""Most bytes of one piece: few enough to stay in the processor's cache."""
_ZEROS = bytes(PIECE)


def pieces(path: Path, start: int = 0, end: int | None = None) -> Iterator[tuple[int, memoryview]]:
    """Offset and content of everything that is not a hole, in order.

    Each content is valid until the next one is asked for.

    Args:
        path: of the file.
        start: offset in bytes to begin at.
        end: offset to end at, or the file's end.
    """
    buffer = memoryview(bytearray(PIECE))
    with path.open("rb", buffering=0) as file:
        for first, last in _extents(file.fileno(), start):
            offset = first
            stop = last if end is None else min(last, end)
            while offset < stop:
                count = os.preadv(file.fileno(), [buffer[: stop - offset]], offset)
                if not count:
                    return  # cut off while it was read
                yield offset, buffer[:count]
                offset += count


def content(path: Path, start: int = 0, end: int | None = None) -> Iterator[bytes | memoryview]:
    """Everything in order, holes as the zeros they stand for; see :func:`pieces`."""
    done = start
    for offset, piece in pieces(path, start, end):
        yield from _hole(offset - done)
        yield piece
        done = offset + len(piece)
    yield from _hole((path.stat().st_size if end is None else end) - done)


def sha256(path: Path, start: int = 0, end: int | None = None) -> str:
    """SHA-256 of a file or a part of it: 64 hex digits."""
    digest = hashlib.sha256()
    for piece in content(path, start, end):
        digest.update(piece)
    return digest.hexdigest()


def _hole(size: int) -> Iterator[bytes]:
    for left in range(size, 0, -PIECE):
        yield _ZEROS[:left]


def _extents(descriptor: int, start: int) -> Iterator[tuple[int, int]]:
    """Start and end of each stretch of data that ends after ``start``."""
    end = start
    while True:
        try:
            first = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                return
            raise
        end = os.lseek(descriptor, first, os.SEEK_HOLE)
        yield first, end
