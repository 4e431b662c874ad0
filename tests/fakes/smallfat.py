"""The first sectors of a FAT32 file system, with as many clusters in use as wanted."""

import struct

SECTOR = 512
RESERVED = 32
FAT_SECTORS = 4
PER_CLUSTER = 8
DATA = (RESERVED + 2 * FAT_SECTORS) * SECTOR


def small_fat(used: int) -> bytes:
    """A file system in which clusters 2 to ``used + 1`` are taken."""
    head = bytearray(SECTOR)
    struct.pack_into("<HBHB", head, 11, SECTOR, PER_CLUSTER, RESERVED, 2)
    struct.pack_into("<I", head, 36, FAT_SECTORS)
    table = struct.pack(f"<{used + 2}I", *[0x0FFFFFFF] * (used + 2))
    both = table.ljust(FAT_SECTORS * SECTOR, b"\0") * 2
    return bytes(head).ljust(RESERVED * SECTOR, b"\0") + both + b"\xcc" * (used * 4096)
