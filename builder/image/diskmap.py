"""Which parts of a disk image matter, and which a card may keep as they were.

Holes of the file do not tell: zeros inside a file system are content, and a
card that was used before is not zero. So the answer comes from what was put on
the disk: a whole root, a whole hash tree, the FAT up to its last used cluster,
and the tables at both ends. The empty slot is left out.

Source: Microsoft FAT specification, August 2005, sections 3.1 and 4.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from builder.image.disk import DiskContents
from osmodel import partitions
from osmodel.faults import InvalidInput
from osmodel.gpt import Gpt

BLOCK = 4096  # bytes; everything here lies on whole blocks

# bytes per sector, sectors per cluster, reserved sectors, FATs
_BIOS_BLOCK = struct.Struct("<11xHBHB")
_FAT_SECTORS = struct.Struct("<I")
_FAT_SECTORS_AT = 36
_ENTRY = 4  # bytes of a FAT32 entry
_FIRST_CLUSTER = 2


class Range(NamedTuple):
    """Part of an image, in whole blocks.

    Attributes:
        start: offset in bytes.
        length: bytes.
    """

    start: int
    length: int

    @property
    def end(self) -> int:
        """Offset behind it."""
        return self.start + self.length


def used_ranges(table: Gpt, contents: DiskContents) -> Sequence[Range]:
    """The parts of a disk made from ``contents``, in order, none touching another.

    Raises:
        InvalidInput: the FAT is none.
    """
    size = table.sector_size
    ends = [partition.last_lba + 1 for partition in table.partitions]
    parts = [Range(0, min(p.first_lba for p in table.partitions) * size)]
    for partition in table.partitions:
        if source := contents.fillings.get(partition.label):
            is_fat = partition.label == partitions.ESP
            length = fat_used(source) if is_fat else source.stat().st_size
            parts.append(Range(partition.first_lba * size, length))
    tail = max(ends) * size
    parts.append(Range(tail, table.total_sectors * size - tail))
    return merged(parts)


def merged(parts: Sequence[Range]) -> Sequence[Range]:
    """The same parts on whole blocks, ordered, joined where they touch."""
    joined: list[Range] = []
    for part in sorted(parts):
        start = part.start // BLOCK * BLOCK
        end = -(-part.end // BLOCK) * BLOCK
        if joined and start <= joined[-1].end:
            before = joined.pop()
            start, end = before.start, max(end, before.end)
        joined.append(Range(start, end - start))
    return joined


def fat_used(image: Path) -> int:
    """Bytes of a FAT32 image up to its last used cluster.

    Raises:
        InvalidInput: not a FAT32 image.
    """
    with image.open("rb") as file:
        head = file.read(512)
        sector, per_cluster, reserved, copies = _BIOS_BLOCK.unpack_from(head)
        (sectors,) = _FAT_SECTORS.unpack_from(head, _FAT_SECTORS_AT)
        if not sector or not per_cluster or not copies or not sectors:
            raise InvalidInput(f"{image}: not a FAT32 file system")
        file.seek(reserved * sector)
        table = file.read(sectors * sector)
    entries = -(-len(table.rstrip(b"\0")) // _ENTRY)
    used = reserved + copies * sectors + (entries - _FIRST_CLUSTER) * per_cluster
    return int(used * sector)
