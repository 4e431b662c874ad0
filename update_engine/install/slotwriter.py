"""Put content into a slot without ever making it look whole.

The first block of a slot holds the superblock of its file system. The sector
with it is zeroed and flushed before anything else changes, and what belongs in
the block is only kept in memory: verifying writes it when everything else was
read back and found right. A machine that loses power in between finds no file
system, never a mixture of two. Only that one sector is touched at first,
because a drive may tear anything larger: a superblock that outlives the bytes
around it would lie.

Blocks that already hold what they should are left alone. The other slot
usually held a neighbouring version, so most of an update wears out no flash.
"""

from __future__ import annotations

from collections.abc import Iterator

from hostio.disk.blockdev import BlockDevice
from osmodel.payload.layout import BLOCK

_PIECE = 1 << 18  # bytes compared at a time
# A slot that held nothing alike is not worth reading: after this many pieces
# without one common block, only every sixteenth is looked at.
_PIECES_UNLIKE = 64
_STRIDE = 16


# Source: Linux 6.12, fs/erofs/erofs_fs.h (offset 1024, 128 bytes); cryptsetup
# 2.7, lib/verity/verity.c (offset 0, 512 bytes).
ROOT_SUPERBLOCK = slice(1024, 1536)
VERITY_SUPERBLOCK = slice(0, 512)


def invalidate(device: BlockDevice, superblock: slice) -> None:
    """Zero the sector with the superblock; durable on return.

    Args:
        device: a root slot or its hash device.
        superblock: ``ROOT_SUPERBLOCK`` or ``VERITY_SUPERBLOCK``.

    Raises:
        HostFailure: the device refused.
    """
    device.write(superblock.start, bytes(superblock.stop - superblock.start))
    device.flush()


class SlotWriter:
    """Writes everything but the first block, and keeps that one.

    Args:
        device: an invalidated slot.

    Attributes:
        head: the first block, complete once everything was written.
    """

    def __init__(self, device: BlockDevice) -> None:
        self.head = bytearray(BLOCK)
        self._device = device
        self._unlike = 0  # pieces in a row that had nothing in common

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Make the slot hold ``data`` at ``offset``; durable after a flush.

        Args:
            offset: bytes, a multiple of 4096.
            data: a multiple of 4096 bytes.

        Raises:
            HostFailure: the device refused.
        """
        view = memoryview(data)
        if offset == 0 and data:
            self.head[:] = view[:BLOCK]
            offset, view = BLOCK, view[BLOCK:]
        for at in range(0, len(view), _PIECE):
            self._write_piece(offset + at, view[at : at + _PIECE])

    def _write_piece(self, offset: int, piece: memoryview) -> None:
        if self._unlike >= _PIECES_UNLIKE and self._unlike % _STRIDE:
            self._unlike += 1
            self._device.write(offset, piece)
            return
        written = 0
        for start, end in _differing(self._device.read(offset, len(piece)), bytes(piece)):
            self._device.write(offset + start, piece[start:end])
            written += end - start
        self._unlike = self._unlike + 1 if written == len(piece) else 0


def _differing(old: bytes, new: bytes) -> Iterator[tuple[int, int]]:
    """Runs of blocks that are not the same, as byte ranges."""
    if old == new:
        return
    start = None
    for at in range(0, len(new), BLOCK):
        if old[at : at + BLOCK] == new[at : at + BLOCK]:
            if start is not None:
                yield start, at
                start = None
        elif start is None:
            start = at
    if start is not None:
        yield start, len(new)
