from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmodel.faults import UntrustedData
from osmodel.verity import (
    BLOCK,
    Superblock,
    TreeBuilder,
    VerityTree,
    dm_table,
    hash_device_size,
    level_blocks,
    parse_superblock,
    superblock_for,
)

SALT = bytes(range(32))


def tree_of(data: bytes, *, piece: int = 1) -> VerityTree:
    builder = TreeBuilder(SALT, len(data) // BLOCK)
    for offset in range(0, len(data), piece * BLOCK):
        builder.feed(data[offset : offset + piece * BLOCK])
    return builder.finish()


def blocks(count: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") * (BLOCK // 4) for number in range(count))


def test_a_single_block_needs_no_tree() -> None:
    tree = tree_of(blocks(1))
    assert tree.content == b""
    assert tree.root_hash == sha256(SALT + blocks(1)).hexdigest()


def test_the_root_hash_covers_the_block_of_digests() -> None:
    tree = tree_of(blocks(2))
    digests = b"".join(sha256(SALT + blocks(2)[at : at + BLOCK]).digest() for at in (0, BLOCK))
    assert tree.content == digests.ljust(BLOCK, b"\0")
    assert tree.root_hash == sha256(SALT + tree.content).hexdigest()


@pytest.mark.parametrize("piece", [1, 2, 7, 300])
def test_the_size_of_the_pieces_does_not_matter(piece: int) -> None:
    assert tree_of(blocks(300), piece=piece) == tree_of(blocks(300))


@pytest.mark.parametrize(
    ("count", "levels"),
    [
        (1, []),
        (2, [1]),
        (128, [1]),
        (129, [2, 1]),
        (128 * 128, [128, 1]),
        (128 * 128 + 1, [129, 2, 1]),
    ],
)
def test_a_level_holds_128_digests_in_a_block(count: int, levels: list[int]) -> None:
    assert level_blocks(count) == levels
    assert hash_device_size(count) == (1 + sum(levels)) * BLOCK


@given(st.integers(1, 400))
def test_the_tree_has_the_announced_size(count: int) -> None:
    assert BLOCK + len(tree_of(blocks(count), piece=64).content) == hash_device_size(count)


def test_top_level_comes_first() -> None:
    tree = tree_of(blocks(129))
    assert tree.root_hash == sha256(SALT + tree.content[:BLOCK]).hexdigest()


def test_feeding_another_number_of_blocks_than_announced_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="more blocks"):
        TreeBuilder(SALT, 1).feed(bytes(2 * BLOCK))
    with pytest.raises(AssertionError, match="fewer blocks"):
        TreeBuilder(SALT, 1).finish()
    with pytest.raises(AssertionError, match="whole blocks"):
        TreeBuilder(SALT, 1).feed(bytes(1))


@given(st.binary(min_size=16, max_size=16), st.integers(1, 1 << 32), st.binary(max_size=256))
def test_parsing_undoes_encoding(uuid: bytes, count: int, salt: bytes) -> None:
    superblock = Superblock(uuid, count, salt)
    assert len(superblock.encode()) == BLOCK
    assert parse_superblock(superblock.encode()) == superblock


def damaged(offset: int, data: bytes) -> bytes:
    whole = bytearray(Superblock(bytes(16), 5, SALT).encode())
    whole[offset : offset + len(data)] = data
    return bytes(whole)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(BLOCK),
        Superblock(bytes(16), 5, SALT).encode()[:511],
        damaged(0, b"V"),
        damaged(8, b"\2"),
        damaged(12, b"\0"),
        damaged(32, b"sha1\0\0"),
        damaged(64, b"\0\2"),
        damaged(68, b"\0\2"),
        damaged(72, bytes(8)),
        damaged(72, b"\xff" * 8),
        damaged(80, b"\1\1"),
    ],
)
def test_a_superblock_of_another_shape_is_refused(data: bytes) -> None:
    with pytest.raises(UntrustedData):
        parse_superblock(data)


def test_salt_and_uuid_depend_on_the_image_alone() -> None:
    one = superblock_for("minimal", 7)
    assert one.salt == sha256(b"twinkeel:minimal").digest()
    assert one.uuid == sha256(one.salt).digest()[:16]
    assert superblock_for("node", 7).salt != one.salt


def test_the_kernel_is_told_to_panic_on_a_wrong_block() -> None:
    superblock = Superblock(bytes(16), 3, b"\1\2")
    length, parameters = dm_table(superblock, "ab" * 32, "253:1", "253:2")
    assert length == 24
    assert parameters == (
        f"1 253:1 253:2 4096 4096 3 1 sha256 {'ab' * 32} 0102 1 panic_on_corruption"
    )


def test_an_empty_salt_is_a_dash() -> None:
    _, parameters = dm_table(Superblock(bytes(16), 3, b""), "ab" * 32, "a", "b")
    assert parameters.split()[9] == "-"
