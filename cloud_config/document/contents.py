"""The content of a file, unpacked within limits."""

from __future__ import annotations

import zlib

from cloud_config.document.scalars import unbase64

MAX_UNPACKED = 8 << 20
_BASE64 = {"b64", "base64"}
_GZIP = {"gz", "gzip"}
_MEMBERS = 16  # files concatenated; each costs a copy of what follows it
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


def decoded(content: bytes, encoding: str) -> bytes | None:
    """The bytes that are meant; ``None`` if they cannot be decoded.

    Args:
        content: as written.
        encoding: one of coreos-cloudinit's names, or empty for plain.
    """
    if not encoding:
        return content
    outer, plus, inner = encoding.partition("+")
    if plus and outer in _GZIP and inner in _BASE64:
        packed = unbase64(content)
        return None if packed is None else unpacked(packed)
    if encoding in _BASE64:
        return unbase64(content)
    return unpacked(content) if encoding in _GZIP else None


def unpacked(packed: bytes, limit: int = MAX_UNPACKED) -> bytes | None:
    """What gzip holds; ``None`` if it is damaged or larger than ``limit`` bytes."""
    found = b""
    for _ in range(_MEMBERS):
        stream = zlib.decompressobj(_GZIP_WINDOW)
        try:
            found += stream.decompress(packed, limit + 1 - len(found))
        except zlib.error:
            return None
        if len(found) > limit or not stream.eof:
            return None
        # Zeros after the last member are padding, as gzip(1) takes them.
        packed = stream.unused_data.lstrip(b"\0")
        if not packed:
            return found
    return None
