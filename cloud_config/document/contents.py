"""The content of a file, unpacked within limits."""

from __future__ import annotations

import zlib

from cloud_config.document.budget import Budget
from cloud_config.document.scalars import unbase64

MAX_FILE = 8 << 20  # bytes of one file, unpacked
_PIECE = 64 << 10  # bytes unpacked and counted at a time
_BASE64 = {"b64", "base64"}
_GZIP = {"gz", "gzip"}
_MEMBERS = 16  # files concatenated; each costs a copy of what follows it
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


def decoded(content: bytes, encoding: str, budget: Budget) -> bytes | None:
    """The bytes that are meant; ``None`` if they cannot be decoded.

    Args:
        content: as written.
        encoding: one of coreos-cloudinit's names, or empty for plain.
        budget: what may be unpacked; less is left afterwards.

    Raises:
        BudgetError: nothing is left of it.
    """
    if not encoding:
        return content
    outer, plus, inner = encoding.partition("+")
    if plus and outer in _GZIP and inner in _BASE64:
        packed = unbase64(content)
        return None if packed is None else unpacked(packed, MAX_FILE, budget)
    if encoding in _BASE64:
        return unbase64(content)
    return unpacked(content, MAX_FILE, budget) if encoding in _GZIP else None


def unpacked(packed: bytes, limit: int, budget: Budget) -> bytes | None:
    """What gzip holds; ``None`` if it is damaged or larger than ``limit`` bytes.

    Raises:
        BudgetError: more was unpacked than may be, here and before.
    """
    found = bytearray()
    for _ in range(_MEMBERS):
        stream = zlib.decompressobj(_GZIP_WINDOW)
        while not stream.eof:
            try:
                piece = stream.decompress(packed, _PIECE)
            except zlib.error:
                return None
            found += piece
            budget.spend_unpacked(len(piece))
            if len(found) > limit or not (piece or stream.unconsumed_tail or stream.eof):
                return None
            packed = stream.unconsumed_tail
        # Zeros after the last member are padding, as gzip(1) takes them.
        packed = stream.unused_data.lstrip(b"\0")
        if not packed:
            return bytes(found)
    return None
