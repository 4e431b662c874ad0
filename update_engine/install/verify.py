"""Verify that a slot holds the release, then make it a file system.

Everything is read back from the medium, past the caches. The hash tree over
what was read must lead to the root hash that was signed; only then is the tree
written, read back, and given its superblock; and only after that does the root
get its first block, the sector with its superblock last of all. So a slot
whose root can be mounted has been verified, whenever the power failed.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from hostio.disk.blockdev import BlockDevice
from osmodel.faults import HostFailure, UntrustedData
from osmodel.payload.layout import BLOCK
from osmodel.verity import Superblock, TreeBuilder, VerityTree
from update_engine.install.slotwriter import ROOT_SUPERBLOCK

_PIECE = 1 << 18  # bytes read back at a time


def verify_root(
    root: BlockDevice,
    head: bytes,
    superblock: Superblock,
    root_hash: str,
    progress: Callable[[int], None],
) -> VerityTree:
    """The hash tree of what the medium holds, if it is the one that was signed.

    Args:
        root: written, but for its first block.
        head: that first block.
        superblock: size and salt of the tree.
        root_hash: 64 hex digits.
        progress: called with the bytes just read.

    Raises:
        UntrustedData: the content leads to another root hash.
        HostFailure: the device can not be read or flushed.
    """
    root.drop_cache()
    builder = TreeBuilder(superblock.salt, superblock.data_blocks)
    builder.feed(head)
    progress(len(head))
    size = superblock.data_blocks * BLOCK
    for offset in range(BLOCK, size, _PIECE):
        data = root.read(offset, min(_PIECE, size - offset))
        builder.feed(data)
        progress(len(data))
    tree = builder.finish()
    if tree.root_hash != root_hash:
        raise UntrustedData(f"slot has root hash {tree.root_hash}, wanted {root_hash}")
    return tree


def write_tree(verity: BlockDevice, superblock: Superblock, tree: VerityTree) -> None:
    """Put the tree on its device, superblock last, and read both back.

    Raises:
        HostFailure: the device refused, or holds something else afterwards.
    """
    verity.write(BLOCK, tree.content)
    verity.flush()
    first = superblock.encode()
    verity.write(0, first)
    verity.drop_cache()
    if verity.read(0, BLOCK) != first:
        raise HostFailure("verity superblock reads back differently")
    content = memoryview(tree.content)
    for at in range(0, len(content), _PIECE):
        piece = content[at : at + _PIECE]
        if sha256(verity.read(BLOCK + at, len(piece))).digest() != sha256(piece).digest():
            raise HostFailure(f"verity tree reads back differently near byte {BLOCK + at}")


def place_head(root: BlockDevice, head: bytes) -> None:
    """Write the first block of a verified root: from here on it can be mounted.

    A drive may tear a block at a sector, so the sector with the superblock is
    blank until the rest of the block is on the medium.

    Raises:
        HostFailure: the device refused, or holds something else afterwards.
    """
    blank = bytearray(head)
    blank[ROOT_SUPERBLOCK] = bytes(len(head[ROOT_SUPERBLOCK]))
    root.write(0, blank)
    root.flush()
    root.write(ROOT_SUPERBLOCK.start, head[ROOT_SUPERBLOCK])
    root.drop_cache()
    if root.read(0, BLOCK) != head:
        raise HostFailure("first block of the root reads back differently")
