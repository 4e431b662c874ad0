"""Files that end with their own checksum, for readers that can do little else.

Four bytes behind the content, its CRC-32 in little-endian order, make the CRC-32
of the whole file one number that is the same for every file. A boot loader's
script can compare with it without knowing anything about the file.

It finds damage, not intent: anybody can make such a file.

Source: ITU-T V.42, 8.1.1.6.2 (the residue of the frame check sequence).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable

RESIDUE = 0x2144DF1C
"""CRC-32 of every file that ends with its own."""


def ending(pieces: Iterable[bytes]) -> bytes:
    """The four bytes that follow a content, given in pieces."""
    value = 0
    for piece in pieces:
        value = zlib.crc32(piece, value)
    return struct.pack("<I", value)
