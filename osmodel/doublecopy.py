"""Two checksummed copies of one small text, in space that is there already.

A change is written over the copy that counts less, so the other one stays whole
whatever becomes of the write. The copy with the highest generation whose digest
is right counts.

A copy, with numbers in little-endian order, padded with zeros to half the size:

====== ===== ===============================================================
offset bytes content
====== ===== ===============================================================
0      8     ``TWKCOPY1``
8      8     generation, counts changes
16     4     length of the text in bytes; ffffffff says that there is none
20     32    SHA-256 of the plain file beside it when this was written; zeros
             if there was none
52     32    SHA-256 of bytes 8 to 51 and of the text
84           text, UTF-8
====== ===== ===============================================================
"""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import NamedTuple

BLOCK = 4096  # bytes; copies are aligned to it, so that no block belongs to both

_MAGIC = b"TWKCOPY1"
_HEAD = struct.Struct("<QI32s")
_DIGEST = 32  # bytes
_START = len(_MAGIC) + _HEAD.size + _DIGEST
_NOTHING = 0xFFFF_FFFF
_NO_FILE = bytes(_DIGEST)


class Copy(NamedTuple):
    """What a copy says.

    Attributes:
        generation: counts changes, from 1.
        text: the text, or ``None`` for one that was removed.
        beside: :func:`digest` of the plain file when this was written.
    """

    generation: int
    text: str | None
    beside: bytes


def size_for(capacity: int) -> int:
    """Bytes of the file that holds two copies of a text of ``capacity`` bytes."""
    return 2 * -(-(_START + capacity) // BLOCK) * BLOCK


def digest(text: str | None) -> bytes:
    """What identifies the content of a plain file; zeros for a missing one."""
    return _NO_FILE if text is None else sha256(text.encode()).digest()


def encode(copy: Copy, size: int) -> bytes | None:
    """A copy, padded to ``size`` bytes; ``None`` if the text is too long for it."""
    content = b"" if copy.text is None else copy.text.encode()
    length = _NOTHING if copy.text is None else len(content)
    if _START + len(content) > size:
        return None
    head = _HEAD.pack(copy.generation, length, copy.beside)
    whole = _MAGIC + head + sha256(head + content).digest() + content
    return whole.ljust(size, b"\0")


def decode(data: bytes) -> Copy | None:
    """The inverse of :func:`encode`; ``None`` for anything that is not whole."""
    if len(data) < _START or not data.startswith(_MAGIC):
        return None
    head = data[len(_MAGIC) : len(_MAGIC) + _HEAD.size]
    generation, length, beside = _HEAD.unpack(head)
    content = b"" if length == _NOTHING else data[_START : _START + length]
    if sha256(head + content).digest() != data[_START - _DIGEST : _START]:
        return None
    try:
        return Copy(generation, None if length == _NOTHING else content.decode(), beside)
    except UnicodeDecodeError:
        return None


class Reading(NamedTuple):
    """Both copies together.

    Attributes:
        counts: the copy that counts, or ``None`` if none is whole.
        next: place (0 or 1) of the copy that is to be written over.
    """

    counts: Copy | None
    next: int


def read(copies: tuple[Copy | None, Copy | None]) -> Reading:
    """Which of two copies counts."""
    first, second = copies
    if first is None or (second is not None and second.generation > first.generation):
        return Reading(second, 0)
    return Reading(first, 1)
