"""The root partition of a slot and its hash tree, from a finished root tree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from builder.image import erofs, hashtree
from hostio.system.runner import Runner
from osmodel.faults import InvalidInput

EROFS = "root.erofs"
VERITY = "root.verity"
_ROOT_HASH = "root_hash"
_ROOM = 0.30  # share of a slot that a root must leave free
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class RootOptions:
    """What the tree does not say.

    Attributes:
        image: name of the image.
        slot: bytes of a slot's root partition.
        epoch: time of every file, seconds since 1970.
    """

    image: str
    slot: int
    epoch: int


def make(tools: Runner, tree: Path, options: RootOptions, source: Path, out: Path) -> None:
    """Fill ``out`` with the file system, its hash tree and its root hash.

    Args:
        tools: runs mkfs.erofs.
        tree: finished root tree.
        options: the rest.
        source: the definition's file, for messages.
        out: an empty directory.

    Raises:
        InvalidInput: the slot would be too full.
        HostFailure: mkfs.erofs failed.
    """
    size = erofs.make_erofs(tools, tree, out / EROFS, options.epoch)
    check_room(size, options.slot, source)
    root_hash = hashtree.make_hash_tree(out / EROFS, options.image, out / VERITY)
    (out / _ROOT_HASH).write_text(root_hash)


def root_hash_of(made: Path) -> str:
    """Of what :func:`make` made: 64 hex digits."""
    return (made / _ROOT_HASH).read_text()


def check_room(size: int, slot: int, source: Path) -> None:
    """Refuse a root that leaves too little of its slot free.

    A machine's slots never change their size; every later version must fit.

    Raises:
        InvalidInput: less than 30 % would be left.
    """
    if size <= slot * (1 - _ROOM):
        return
    needed = -(-size * 10 // 7 // _MIB)
    raise InvalidInput(
        f"{source}: disk.slot_mib: a root of {-(-size // _MIB)} MiB leaves less than"
        f" {_ROOM:.0%} of a slot of {slot // _MIB} MiB free",
        hint=f"set slot_mib to {needed} or more; later versions must fit as well",
    )
