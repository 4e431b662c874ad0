from dataclasses import replace
from typing import Any

import pytest

from osmodel.faults import UntrustedData
from osmodel.payload.layout import BLOCK, MAX_DATA, MAX_OFFSET, MAX_SIGNATURES
from osmodel.payload.manifest import (
    Extent,
    InstallOperation,
    Manifest,
    OperationType,
    PartitionInfo,
    PartitionUpdate,
)
from osmodel.payload.structure import plan_of

DIGEST = bytes(32)


def replacing(start: int, count: int, offset: int) -> InstallOperation:
    return InstallOperation(
        type=OperationType.REPLACE,
        data_offset=offset,
        data_length=count * BLOCK,
        dst_extents=(Extent(start, count),),
        data_sha256_hash=DIGEST,
    )


ROOT = PartitionUpdate(
    "root",
    new_partition_info=PartitionInfo(4 * BLOCK, DIGEST),
    operations=(
        replacing(2, 1, 0),
        InstallOperation(type=OperationType.ZERO, dst_extents=(Extent(3, 1),)),
        replacing(0, 2, BLOCK),
    ),
    hash_tree_data_extent=Extent(0, 4),
    hash_tree_algorithm="sha256",
    hash_tree_salt=b"salt",
)
UKI = PartitionUpdate(
    "uki",
    new_partition_info=PartitionInfo(BLOCK + 1, DIGEST),
    operations=(replacing(0, 1, 3 * BLOCK), replacing(1, 1, 4 * BLOCK)),
)
GOOD = Manifest(
    block_size=BLOCK,
    signatures_offset=5 * BLOCK,
    signatures_size=100,
    minor_version=0,
    partitions=(ROOT, UKI),
)


def root(**fields: Any) -> Manifest:
    return replace(GOOD, partitions=(replace(ROOT, **fields), UKI))


def uki(**fields: Any) -> Manifest:
    return replace(GOOD, partitions=(ROOT, replace(UKI, **fields)))


def first(**fields: Any) -> Manifest:
    """The manifest with its first operation changed."""
    return root(operations=(replace(ROOT.operations[0], **fields), *ROOT.operations[1:]))


def zeros(**fields: Any) -> Manifest:
    changed = replace(ROOT.operations[1], **fields)
    return root(operations=(ROOT.operations[0], changed, ROOT.operations[2]))


REFUSED: dict[str, tuple[Manifest, str]] = {
    "no block size": (replace(GOOD, block_size=None), "block size None"),
    "another block size": (replace(GOOD, block_size=512), "block size 512"),
    "delta": (replace(GOOD, minor_version=6), "minor version 6"),
    "no partitions": (replace(GOOD, partitions=()), "partitions"),
    "no uki": (replace(GOOD, partitions=(ROOT,)), "partitions"),
    "two roots": (replace(GOOD, partitions=(ROOT, UKI, ROOT)), "partitions"),
    "another partition": (uki(partition_name="boot"), "partitions"),
    "partition without name": (uki(partition_name=None), "partitions"),
    "no content announced": (root(new_partition_info=None), "size or hash"),
    "no size": (root(new_partition_info=PartitionInfo(None, DIGEST)), "size or hash"),
    "no hash": (root(new_partition_info=PartitionInfo(4 * BLOCK)), "size or hash"),
    "short hash": (root(new_partition_info=PartitionInfo(4 * BLOCK, b"x")), "size or hash"),
    "size 0": (root(new_partition_info=PartitionInfo(0, DIGEST)), "size of 0"),
    "size of 2^63": (root(new_partition_info=PartitionInfo(1 << 63, DIGEST)), "size of"),
    "root of part of a block": (
        root(new_partition_info=PartitionInfo(4 * BLOCK - 1, DIGEST)),
        "no whole number",
    ),
    "source extent": (first(src_extents=(Extent(0, 1),)), "from data to a single extent"),
    "no target": (first(dst_extents=()), "single extent"),
    "two targets": (first(dst_extents=(Extent(2, 1), Extent(9, 1))), "single extent"),
    "empty target": (first(dst_extents=(Extent(2, 0),)), "extent of 0 blocks at 2"),
    "hole": (first(dst_extents=(Extent(2**64 - 1, 1),)), "extent of 1 blocks"),
    "target beyond 2^63": (first(dst_extents=(Extent(0, 2**60),)), "extent of"),
    "no type": (first(type=None), "operation type None"),
    "source copy": (first(type=OperationType.SOURCE_COPY), "operation type 4"),
    "unknown type": (first(type=99), "operation type 99"),
    "no data": (first(data_length=0), "0 bytes for 4096"),
    "too much data": (
        first(type=OperationType.REPLACE_ZSTD, data_length=MAX_DATA + 1),
        "at most 16777216",
    ),
    "too much content": (
        first(dst_extents=(Extent(2, MAX_DATA // BLOCK + 1),)),
        "at most 16777216",
    ),
    "gap in the data": (first(data_offset=1), "data at 1, not hashed at 0"),
    "no offset": (first(data_offset=None), "data at None"),
    "no hash of the data": (first(data_sha256_hash=None), "not hashed"),
    "raw data of another length": (first(data_length=BLOCK - 1), "4095 bytes replace 4096"),
    "zeros with data": (zeros(data_length=1), "zeros with 1 bytes"),
    "block written twice": (zeros(dst_extents=(Extent(2, 2),)), "exactly once"),
    "block left out": (root(operations=ROOT.operations[:1]), "block 0 is not written"),
    "zeros behind the end": (zeros(dst_extents=(Extent(3, 2),)), "20480 bytes written"),
    "uki out of order": (
        uki(operations=(replacing(1, 1, 3 * BLOCK), replacing(0, 1, 4 * BLOCK))),
        "block 0 is not written exactly once, in order",
    ),
    "uki too short": (uki(new_partition_info=PartitionInfo(BLOCK, DIGEST)), "bytes written"),
    "unsigned": (replace(GOOD, signatures_offset=None, signatures_size=None), "signed up to None"),
    "signature too early": (replace(GOOD, signatures_offset=BLOCK), "signed up to 4096"),
    "signature too late": (replace(GOOD, signatures_offset=6 * BLOCK), "data ends at 20480"),
    "no signature": (replace(GOOD, signatures_size=0), "signature of 0 bytes"),
    "signature too large": (
        replace(GOOD, signatures_size=MAX_SIGNATURES + 1),
        "signature of 65537 bytes",
    ),
    "no tree": (root(hash_tree_data_extent=None), "no hash tree"),
    "tree over a part": (root(hash_tree_data_extent=Extent(0, 3)), "covers 3 blocks"),
    "tree starts late": (root(hash_tree_data_extent=Extent(1, 4)), "not the whole root"),
    "tree inside the root": (root(hash_tree_extent=Extent(4, 1)), "device of its own"),
    "tree of another kind": (root(hash_tree_algorithm="sha1"), "not sha256"),
    "salt too long": (root(hash_tree_salt=bytes(257)), "salt of 257 bytes"),
}


def test_a_sensible_manifest_becomes_steps_in_bytes() -> None:
    plan = plan_of(GOOD)
    assert [
        (step.offset, step.length, step.data_length) for step in plan.content("root").steps
    ] == [
        (2 * BLOCK, BLOCK, BLOCK),
        (3 * BLOCK, BLOCK, 0),
        (0, 2 * BLOCK, 2 * BLOCK),
    ]
    assert plan.content("uki").size == BLOCK + 1
    assert (plan.salt, plan.data_size, plan.signatures_size) == (b"salt", 5 * BLOCK, 100)


@pytest.mark.parametrize(("manifest", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_manifest_that_can_not_be_carried_out_is_refused(manifest: Manifest, reason: str) -> None:
    with pytest.raises(UntrustedData, match=reason):
        plan_of(manifest)


def test_sizes_beyond_4_gib_are_exact() -> None:
    count = (1 << 20) + 1  # blocks of 4096: one more than 4 GiB
    whole = root(
        new_partition_info=PartitionInfo(count * BLOCK, DIGEST),
        operations=(
            InstallOperation(type=OperationType.ZERO, dst_extents=(Extent(0, count - 1),)),
            replacing(count - 1, 1, 0),
        ),
        hash_tree_data_extent=Extent(0, count),
    )
    moved = tuple(
        replace(one, data_offset=offset)
        for one, offset in zip(UKI.operations, (BLOCK, 2 * BLOCK), strict=True)
    )
    plan = plan_of(
        replace(
            whole,
            signatures_offset=3 * BLOCK,
            partitions=(whole.partitions[0], replace(UKI, operations=moved)),
        )
    )
    assert plan.content("root").steps[-1].offset == 4 << 30


def test_nothing_reaches_beyond_the_largest_offset() -> None:
    for start in (MAX_OFFSET // BLOCK, MAX_OFFSET, 2**64 - 2):
        with pytest.raises(UntrustedData, match="extent of"):
            plan_of(first(dst_extents=(Extent(start, 1),)))
