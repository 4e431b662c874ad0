"""The verity partition of a root image: superblock and hash tree."""

from __future__ import annotations

from pathlib import Path

from osmodel.faults import InvalidInput
from osmodel.verity import BLOCK, TreeBuilder, superblock_for

_PIECE = 1 << 20  # bytes read at once


def make_hash_tree(image: Path, name: str, out: Path) -> str:
    """Write superblock and tree over ``image`` and return the root hash.

    The tree covers the image, not the partition: the same image has the same
    root hash whatever the size of the slots.

    Args:
        image: file system; whole blocks of 4096 bytes.
        name: of the image; salt and UUID depend on it alone.
        out: file to write.

    Raises:
        InvalidInput: not whole blocks.
    """
    size = image.stat().st_size
    if size == 0 or size % BLOCK:
        raise InvalidInput(f"{image} has {size} bytes, not whole blocks of {BLOCK}")
    superblock = superblock_for(name, size // BLOCK)
    builder = TreeBuilder(superblock.salt, superblock.data_blocks)
    with image.open("rb") as file:
        while piece := file.read(_PIECE):
            builder.feed(piece)
    tree = builder.finish()
    out.write_bytes(superblock.encode() + tree.content)
    return tree.root_hash
