"""The power fails at every write and flush of an update; no slot may lie afterwards."""

import io
import itertools
from functools import cache

import pytest

from osmodel.payload.layout import BLOCK
from tests.fakes.payloads import (
    EROFS_MAGIC,
    Signed,
    SmallRelease,
    signed_payload,
    small_release,
    tree_of,
    trust,
)
from tests.fakes.ramdisk import Power, PowerCut, RamDisk
from update_engine.install.payload import Targets, open_payload, write_payload

NEW = small_release("1.0.1", seed=1)
NEIGHBOUR = small_release("1.0.0", seed=2)
STRANGER = small_release("0.9.0", seed=3, shared=0.0)
SPARE = 2 * BLOCK  # room behind the image
BEFORE = {
    "neighbour": (NEIGHBOUR.root, NEIGHBOUR.verity),
    "stranger": (STRANGER.root, STRANGER.verity),
    "same": (NEW.root, NEW.verity),
    "empty": (b"", b""),
}


@cache
def payload() -> Signed:
    return signed_payload(NEW)


def slot(power: Power, root: bytes, verity: bytes) -> tuple[RamDisk, RamDisk]:
    return (
        RamDisk(len(NEW.root) + SPARE, power=power, content=root),
        RamDisk(NEW.verity_size + SPARE, power=power, content=verity),
    )


def apply(root: RamDisk, verity: RamDisk) -> None:
    opened = open_payload(payload().stream, trust())
    write_payload(opened, Targets(root, verity, io.BytesIO()), lambda _done, _total: None)


def operations_of_a_whole_update(before: str) -> int:
    power = Power()
    apply(*slot(power, *BEFORE[before]))
    return power.operations


CUT_POINTS = [
    (before, cut_at) for before in BEFORE for cut_at in range(operations_of_a_whole_update(before))
]


def holds(small: SmallRelease, root: bytes, verity: bytes) -> bool:
    """The release, whole: its tree is there and leads to its root hash over what is there."""
    content = root[: len(small.root)]
    tree = tree_of(content, small.superblock)
    stored = small.superblock.encode() + tree.content
    return tree.root_hash == small.release.root_hash and verity.startswith(stored)


def looks_whole(root: bytes) -> bool:
    return root[1024 : 1024 + len(EROFS_MAGIC)] == EROFS_MAGIC


@pytest.mark.parametrize(("before", "cut_at"), CUT_POINTS)
def test_a_slot_that_looks_whole_is_whole(before: str, cut_at: int) -> None:
    root, verity = slot(Power(cut_at), *BEFORE[before])

    with pytest.raises(PowerCut):
        apply(root, verity)

    outcomes = itertools.product(root.aftermaths(seed=cut_at), list(verity.aftermaths(seed=cut_at)))
    for left_root, left_verity in outcomes:
        if looks_whole(left_root):
            assert any(holds(small, left_root, left_verity) for small in (NEW, NEIGHBOUR, STRANGER))


@pytest.mark.parametrize(("before", "cut_at"), CUT_POINTS[::5])
def test_the_same_update_succeeds_after_the_cut(before: str, cut_at: int) -> None:
    root, verity = slot(Power(cut_at), *BEFORE[before])
    with pytest.raises(PowerCut):
        apply(root, verity)

    for left_root in itertools.islice(root.aftermaths(seed=cut_at), 4):
        for left_verity in itertools.islice(verity.aftermaths(seed=cut_at), 4):
            again = slot(Power(), left_root, left_verity)
            apply(*again)
            assert holds(NEW, bytes(again[0].durable), bytes(again[1].durable))
