import random

import pytest

from osmodel.payload.layout import BLOCK
from tests.fakes.ramdisk import RamDisk
from update_engine.install.slotwriter import (
    ROOT_SUPERBLOCK,
    VERITY_SUPERBLOCK,
    SlotWriter,
    invalidate,
)

MIB = 1 << 20
NOISE = random.Random(5).randbytes(4 * MIB)


def changed(content: bytes, *blocks: int) -> bytes:
    """``content`` with one byte of each of these blocks changed."""
    out = bytearray(content)
    for block in blocks:
        out[block * BLOCK + 7] ^= 1
    return bytes(out)


def test_a_slot_that_holds_the_content_is_not_written() -> None:
    disk = RamDisk(len(NOISE), content=NOISE)
    SlotWriter(disk).write(BLOCK, NOISE[BLOCK:])
    assert disk.writes == 0


def test_only_runs_of_blocks_that_differ_are_written() -> None:
    new = changed(NOISE, 3, 4, 9, 300, 1023)
    disk = RamDisk(len(NOISE), content=NOISE)
    SlotWriter(disk).write(BLOCK, new[BLOCK:])
    assert disk.read(0, len(new)) == new
    assert disk.writes == 4
    assert disk.bytes_written == 5 * BLOCK


def test_the_first_block_is_kept_for_later() -> None:
    disk = RamDisk(2 * MIB)
    slot = SlotWriter(disk)
    slot.write(0, NOISE[: 2 * BLOCK])
    assert slot.head == NOISE[:BLOCK]
    assert disk.read(0, 3 * BLOCK) == bytes(BLOCK) + NOISE[BLOCK : 2 * BLOCK] + bytes(BLOCK)


def test_a_slot_with_nothing_alike_is_read_only_here_and_there() -> None:
    size = 64 * MIB
    disk = CountingDisk(size)
    slot = SlotWriter(disk)
    for offset in range(0, size, 4 * MIB):
        slot.write(offset, NOISE)
    assert disk.read(MIB, MIB) == NOISE[MIB : 2 * MIB]
    assert disk.reads < 64 + 192 // 16 + 4


def test_a_slot_that_becomes_alike_is_read_again() -> None:
    disk = CountingDisk(64 * MIB, content=bytes(32 * MIB) + NOISE * 8)
    slot = SlotWriter(disk)
    for offset in range(0, 64 * MIB, 4 * MIB):
        slot.write(offset, NOISE)
    assert disk.bytes_written < 37 * MIB


@pytest.mark.parametrize("superblock", [ROOT_SUPERBLOCK, VERITY_SUPERBLOCK])
def test_invalidating_clears_one_sector_for_good(superblock: slice) -> None:
    disk = RamDisk(2 * BLOCK, content=b"\xff" * 2 * BLOCK)
    invalidate(disk, superblock)
    assert not any(disk.durable[superblock])
    assert disk.durable.count(0) == 512


class CountingDisk(RamDisk):
    def __init__(self, size: int, content: bytes = b"") -> None:
        super().__init__(size, content=content)
        self.reads = 0

    def read(self, offset: int, length: int) -> bytes:
        self.reads += 1
        return super().read(offset, length)
