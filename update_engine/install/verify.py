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
from osmodel.verity import (
    Superblock,
    TreeBuilder,
    VerityTree,
    hash_device_size,
    parse_superblock,
)
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
    tree = _tree_of(root, head, superblock, progress)
    if tree.root_hash != root_hash:
        raise UntrustedData(f"slot has root hash {tree.root_hash}, wanted {root_hash}")
    return tree


def verify_slot(root: BlockDevice, verity: BlockDevice, root_hash: str) -> None:
    """Read a whole slot and hold it against its root hash; writes nothing.

    Args:
        root: a slot that is not in use.
        verity: its hash device.
        root_hash: 64 hex digits.

    Raises:
        UntrustedData: a block of the root or of its tree is not what was signed.
        HostFailure: a device cannot be read.
    """
    # What a cache remembers is no witness.
    root.drop_cache()
    verity.drop_cache()
    superblock = parse_superblock(verity.read(0, BLOCK))
    size = superblock.data_blocks * BLOCK
    if size > root.size or hash_device_size(superblock.data_blocks) > verity.size:
        raise UntrustedData(f"verity tree covers {size} bytes, more than the slot has")
    head = root.read(0, BLOCK)
    tree = _tree_of(root, head, superblock, _unwatched)
    if tree.root_hash != root_hash:
        raise UntrustedData(f"slot has root hash {tree.root_hash}, wanted {root_hash}")
    if not _holds(verity, tree):
        raise UntrustedData("the verity tree is damaged")


def _unwatched(_: int) -> None:
    """Shows nothing."""


def _tree_of(
    root: BlockDevice, head: bytes, superblock: Superblock, progress: Callable[[int], None]
) -> VerityTree:
    builder = TreeBuilder(superblock.salt, superblock.data_blocks)
    builder.feed(head)
    progress(len(head))
    size = superblock.data_blocks * BLOCK
    for offset in range(BLOCK, size, _PIECE):
        data = root.read(offset, min(_PIECE, size - offset))
        builder.feed(data)
        progress(len(data))
    return builder.finish()


def _holds(verity: BlockDevice, tree: VerityTree) -> bool:
    content = memoryview(tree.content)
    for at in range(0, len(content), _PIECE):
        piece = content[at : at + _PIECE]
        if sha256(verity.read(BLOCK + at, len(piece))).digest() != sha256(piece).digest():
            return False
    return True


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
    if not _holds(verity, tree):
        raise HostFailure("verity tree reads back differently")


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
