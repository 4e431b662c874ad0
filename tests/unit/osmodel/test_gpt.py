import random
import struct
from binascii import crc32
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmodel import partitions
from osmodel.faults import InvalidInput, UntrustedData
from osmodel.gpt import (
    Gpt,
    Partition,
    backup_lba,
    encode_backup,
    encode_primary,
    guid_bytes,
    guid_text,
    parse,
)

MIB = 64  # sectors; a small disk keeps the tests fast
GUIDS = st.uuids().filter(lambda u: u.int != 0).map(str)
LABELS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=18)


def table(total: int = 64 * MIB, sector_size: int = 512) -> Gpt:
    return Gpt(
        partitions.derived_guid("disk"),
        sector_size,
        total,
        (
            Partition(partitions.ESP_TYPE, partitions.derived_guid("1"), MIB, 2 * MIB, 0, "esp", 1),
            Partition(
                partitions.ROOT_TYPES["x86_64"],
                partitions.derived_guid("2"),
                3 * MIB,
                4 * MIB,
                1 << 60,
                "root-a",
                2,
            ),
        ),
    )


def disk_with(one: Gpt) -> bytearray:
    disk = bytearray(one.total_sectors * one.sector_size)
    primary, backup = encode_primary(one), encode_backup(one)
    disk[: len(primary)] = primary
    disk[len(disk) - len(backup) :] = backup
    return disk


def read_from(disk: bytes | bytearray, sector_size: int = 512) -> Gpt:
    return parse(
        lambda offset, length: bytes(disk[offset : offset + length]),
        sector_size,
        len(disk) // sector_size,
    )


@st.composite
def tables(draw: st.DrawFn) -> Gpt:
    sector_size = draw(st.sampled_from([512, 4096]))
    count = draw(st.integers(0, 12))
    numbers = draw(st.permutations(range(1, 129)))[:count]
    edges = sorted(
        draw(st.lists(st.integers(40, 3000), min_size=2 * count, max_size=2 * count, unique=True))
    )
    entries = [
        Partition(
            draw(GUIDS),
            draw(GUIDS),
            edges[2 * i],
            edges[2 * i + 1],
            draw(st.integers(0, 2**64 - 1)),
            draw(LABELS),
            number,
        )
        for i, number in enumerate(numbers)
    ]
    entries.sort(key=lambda p: p.number)
    return Gpt(draw(GUIDS), sector_size, 4000, tuple(entries))


@given(tables())
def test_parsing_undoes_encoding(one: Gpt) -> None:
    assert read_from(disk_with(one), one.sector_size) == one


@given(tables())
def test_the_backup_alone_is_enough(one: Gpt) -> None:
    disk = disk_with(one)
    disk[: one.sector_size * 2] = bytes(one.sector_size * 2)
    assert read_from(disk, one.sector_size) == one


def test_both_copies_have_the_size_of_the_standard() -> None:
    assert len(encode_primary(table())) == 34 * 512
    assert len(encode_backup(table())) == 33 * 512
    assert backup_lba(table()) == 64 * MIB - 33


@pytest.mark.parametrize("sector", range(34))
def test_any_torn_sector_of_the_primary_copy_is_noticed(sector: int) -> None:
    changed = table().with_guids({"root-a": partitions.derived_guid("other")})
    disk = disk_with(table())
    disk[: (sector) * 512] = encode_primary(changed)[: sector * 512]
    assert read_from(disk) in (table(), changed)


@given(st.integers(0, 33 * 512 - 1), st.integers(1, 255))
def test_a_flipped_byte_never_changes_what_is_read(offset: int, flip: int) -> None:
    disk = disk_with(table())
    disk[512 + offset] ^= flip
    assert read_from(disk) == table()


def test_two_damaged_copies_are_refused() -> None:
    disk = disk_with(table())
    disk[520] ^= 1
    disk[-500] ^= 1
    with pytest.raises(UntrustedData, match=r"primary: .*; backup: "):
        read_from(disk)


def test_random_bytes_are_never_a_table() -> None:
    source = random.Random(7)
    for _ in range(50):
        with pytest.raises(UntrustedData):
            read_from(b"\0" * 512 + b"EFI PART" + source.randbytes(70 * 512 - 520))


@pytest.mark.parametrize("size", [0, 511, 512, 34 * 512])
def test_a_tiny_disk_is_refused(size: int) -> None:
    with pytest.raises(UntrustedData, match="too small"):
        read_from(bytes(size))


def test_an_unknown_sector_size_is_refused() -> None:
    with pytest.raises(UntrustedData, match="sector size 1000"):
        parse(lambda _, length: bytes(length), 1000, 10000)


def with_header(one: Gpt, **changes: int) -> bytearray:
    offsets = {"size": 12, "first": 40, "last": 48, "at": 72, "count": 80, "entry": 84}
    disk = disk_with(one)
    for lba in (1, one.total_sectors - 1):
        header = disk[lba * 512 : lba * 512 + 512]
        for key, value in changes.items():
            struct.pack_into(
                "<I" if key in {"size", "count", "entry"} else "<Q", header, offsets[key], value
            )
        header[16:20] = bytes(4)
        size = min(struct.unpack_from("<I", header, 12)[0], 512)
        struct.pack_into("<I", header, 16, crc32(header[:size]))
        disk[lba * 512 : lba * 512 + 512] = header
    return disk


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 91},
        {"size": 513},
        {"count": 0},
        {"count": 129},
        {"count": 0xFFFFFFFF},
        {"entry": 256},
        {"at": 1 << 62},
        {"last": 1 << 40},
        {"first": 3 * MIB},
        {"last": 3 * MIB},
    ],
)
def test_a_header_that_checks_out_but_makes_no_sense_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(UntrustedData):
        read_from(with_header(table(), **changes))


def test_the_label_finds_the_partition() -> None:
    found = table().find("root-a")
    assert found is not None
    assert found.number == 2
    assert found.sectors == MIB + 1
    assert table().find("state") is None


def test_two_partitions_with_one_label_are_not_guessed_between() -> None:
    first, second = table().partitions
    twice = table()._replace(partitions=(first, second._replace(label="esp")))
    with pytest.raises(UntrustedData, match="2 partitions are labelled 'esp'"):
        twice.find("esp")


def test_changing_guids_keeps_everything_else() -> None:
    root, _ = partitions.slot_guids("ab" * 32)
    changed = table().with_guids({"root-a": root})
    assert changed.partitions[1].guid == root
    assert changed.with_guids({"root-a": table().partitions[1].guid}) == table()


def test_changing_the_guid_of_an_absent_partition_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no partition labelled 'root-x'"):
        table().with_guids({"root-x": partitions.derived_guid("x")})


def replaced(**changes: Any) -> Gpt:
    first, second = table().partitions
    return table()._replace(partitions=(first, second._replace(**changes)))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (replaced(first_lba=2 * MIB), "overlaps"),
        (replaced(first_lba=33, last_lba=40), "leaves 34"),
        (replaced(last_lba=64 * MIB - 34 + 1), "leaves 34"),
        (replaced(last_lba=3 * MIB - 1), "leaves 34"),
        (replaced(label="x" * 37), "does not fit"),
        (replaced(label="a\0b"), "does not fit"),
        (replaced(label="\ud800"), "not Unicode"),
        (replaced(guid="nonsense"), "not a GUID"),
        (replaced(guid="00" * 16), "not a GUID"),
        (replaced(number=1), "cannot have number 1"),
        (replaced(number=129), "cannot have number 129"),
        (table()._replace(sector_size=520), "sector size 520"),
    ],
)
def test_an_impossible_table_is_refused(bad: Gpt, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        encode_primary(bad)


def test_partitions_without_number_take_the_free_places() -> None:
    one = replaced(number=0)
    assert [p.number for p in read_from(disk_with(one)).partitions] == [1, 2]


def test_a_guid_is_mixed_endian_on_disk() -> None:
    assert guid_bytes(partitions.ESP_TYPE).hex() == "28732ac11ff8d211ba4b00a0c93ec93b"


@given(st.uuids())
def test_guids_are_stored_as_the_standard_says(value: object) -> None:
    assert guid_bytes(str(value)) == value.bytes_le  # type: ignore[attr-defined]  # a UUID
    assert guid_text(guid_bytes(str(value))) == str(value)
