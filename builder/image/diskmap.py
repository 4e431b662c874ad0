"""Which parts of a disk image matter, and which a card may keep as they were.

Holes of the file do not tell: zeros inside a file system are content, and a
card that was used before is not zero. So the answer comes from what was put on
the disk: a whole root, a whole hash tree, the FAT up to its last used cluster,
and the tables at both ends. The empty slot is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from builder.image import fat
from builder.image.disk import DiskContents
from osmodel import partitions
from osmodel.gpt import Gpt

BLOCK = 4096  # bytes; everything here lies on whole blocks


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
            length = fat.used_bytes(source) if is_fat else source.stat().st_size
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
