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


def pieces(path: Path) -> Iterator[tuple[int, memoryview]]:
    """Offset and content of everything that is not a hole, in order.

    Each content is valid until the next one is asked for.
    """
    buffer = memoryview(bytearray(PIECE))
    with path.open("rb", buffering=0) as file:
        for start, end in _extents(file.fileno()):
            offset = start
            while offset < end:
                count = os.preadv(file.fileno(), [buffer[: end - offset]], offset)
                if not count:
                    return  # cut off while it was read
                yield offset, buffer[:count]
                offset += count


def sha256(path: Path) -> str:
    """SHA-256 of the whole file, holes as the zeros they stand for: 64 hex digits."""
    digest = hashlib.sha256()
    done = 0
    for offset, content in pieces(path):
        for zeros in _hole(offset - done):
            digest.update(zeros)
        digest.update(content)
        done = offset + len(content)
    for zeros in _hole(path.stat().st_size - done):
        digest.update(zeros)
    return digest.hexdigest()


def _hole(size: int) -> Iterator[bytes]:
    for left in range(size, 0, -PIECE):
        yield _ZEROS[:left]


def _extents(descriptor: int) -> Iterator[tuple[int, int]]:
    """Start and end of each stretch of data."""
    end = 0
    while True:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                return
            raise
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end
