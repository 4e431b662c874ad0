import dataclasses
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostio.system.runner import Command, LocalRunner
from osmodel.faults import UntrustedData
from osmodel.payload import wire
from osmodel.payload.manifest import (
    Extent,
    InstallOperation,
    Manifest,
    PartitionInfo,
    PartitionUpdate,
    Signature,
    Signatures,
    release_bytes,
    release_of,
)
from osmodel.payload.message import MAX_RECORDS
from osmodel.release import Release
from osmodel.version import Version
from tests.checkout import ROOT

NUMBERS = st.none() | st.integers(0, wire.MAX_NUMBER)
BYTES = st.none() | st.binary(max_size=40)
TEXT = st.none() | st.text(max_size=10)
EXTENTS = st.builds(Extent, NUMBERS, NUMBERS)
INFOS = st.none() | st.builds(PartitionInfo, NUMBERS, BYTES)


def several(items: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, max_size=3).map(tuple)


OPERATIONS = st.builds(
    InstallOperation,
    type=NUMBERS,
    data_offset=NUMBERS,
    data_length=NUMBERS,
    src_extents=several(EXTENTS),
    src_length=NUMBERS,
    dst_extents=several(EXTENTS),
    dst_length=NUMBERS,
    data_sha256_hash=BYTES,
    src_sha256_hash=BYTES,
)
PARTITIONS = st.builds(
    PartitionUpdate,
    partition_name=TEXT,
    old_partition_info=INFOS,
    new_partition_info=INFOS,
    operations=several(OPERATIONS),
    hash_tree_data_extent=st.none() | EXTENTS,
    hash_tree_extent=st.none() | EXTENTS,
    hash_tree_algorithm=TEXT,
    hash_tree_salt=BYTES,
    version=TEXT,
)
MANIFESTS = st.builds(
    Manifest,
    block_size=NUMBERS,
    signatures_offset=NUMBERS,
    signatures_size=NUMBERS,
    minor_version=NUMBERS,
    partitions=several(PARTITIONS),
    max_timestamp=NUMBERS,
    release=BYTES,
)
RELEASE = Release(
    "minimal", "x86_64", "uefi", Version.parse("1.0.1"), "ab" * 32, Version.parse("1.0")
)


@given(MANIFESTS)
def test_parsing_undoes_encoding(manifest: Manifest) -> None:
    assert Manifest.parse(manifest.encode()) == manifest


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    try:
        manifest = Manifest.parse(data)
    except UntrustedData:
        return
    assert Manifest.parse(manifest.encode()) == manifest


@settings(max_examples=50)
@given(MANIFESTS, st.data())
def test_any_single_damage_is_parsed_or_refused(manifest: Manifest, data: st.DataObject) -> None:
    encoded = bytearray(manifest.encode())
    if encoded:
        at = data.draw(st.integers(0, len(encoded) - 1))
        encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        Manifest.parse(bytes(encoded))
    except UntrustedData:
        return


def test_fields_are_written_in_ascending_order() -> None:
    manifest = Manifest(4096, 10, 20, 0, (PartitionUpdate("root"),), 5, b"{}")
    numbers = [field.number for field in wire.read_fields(manifest.encode())]
    assert numbers == [3, 4, 5, 12, 13, 14, 1000]


@pytest.mark.parametrize("number", [2**31, 2**31 + 1, 2**32, 2**32 + 1, 2**63 - 1])
def test_sizes_beyond_32_bits_are_kept(number: int) -> None:
    operation = InstallOperation(
        data_offset=number, data_length=number, dst_extents=(Extent(number, number),)
    )
    part = PartitionUpdate("root", None, PartitionInfo(number), (operation,))
    manifest = Manifest(signatures_offset=number, partitions=(part,))
    assert Manifest.parse(manifest.encode()) == manifest


def test_unknown_fields_are_skipped() -> None:
    unknown = wire.number_field(6, 1) + wire.bytes_field(15, b"dynamic") + wire.fixed32_field(99, 7)
    assert Manifest.parse(unknown + Manifest(4096).encode() + unknown) == Manifest(4096)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (wire.number_field(3, 1) * 2, "Manifest.block_size is given twice"),
        (wire.bytes_field(3, b"x"), "Manifest.block_size has wire type 2"),
        (wire.number_field(13, 1), "Manifest.partitions has wire type 0"),
        (wire.bytes_field(13, wire.bytes_field(1, b"\xff")), "partition_name is not UTF-8"),
        (wire.bytes_field(13, wire.bytes_field(7, b"\x08")), "number does not end"),
        (
            wire.bytes_field(13, wire.bytes_field(7, b"") * 2),
            "PartitionUpdate.new_partition_info is given twice",
        ),
    ],
)
def test_ambiguous_or_malformed_records_are_refused(record: bytes, reason: str) -> None:
    with pytest.raises(UntrustedData, match=reason):
        Manifest.parse(record)


def test_the_number_of_records_is_limited_wherever_they_are_nested() -> None:
    operation = wire.bytes_field(8, wire.bytes_field(6, b"") * 10)
    part = wire.bytes_field(13, operation * (MAX_RECORDS // 11 + 1))
    with pytest.raises(UntrustedData, match=f"more than {MAX_RECORDS} records"):
        Manifest.parse(part)


# In a process of its own: what other threads of the tests allocate is counted as well.
PEAK_OF_A_BOMB = """
import tracemalloc
from osmodel.faults import UntrustedData
from osmodel.payload import wire
from osmodel.payload.manifest import Manifest
bomb = wire.bytes_field(13, wire.bytes_field(8, b"") * (4 << 20))
tracemalloc.start()
try:
    Manifest.parse(bomb)
except UntrustedData as fault:
    print(tracemalloc.get_traced_memory()[1], fault)
"""


def test_a_manifest_of_nothing_but_records_takes_no_more_than_its_limit() -> None:
    command = Command([sys.executable, "-c", PEAK_OF_A_BOMB], cwd=ROOT)
    peak, _, fault = LocalRunner().run(command).decode().partition(" ")
    assert "records" in fault
    assert int(peak) < 32 << 20


@given(several(st.builds(Signature, BYTES, st.none() | st.integers(0, 2**32 - 1))))
def test_signatures_survive_the_round_trip(signatures: tuple[Signature, ...]) -> None:
    assert Signatures.parse(Signatures(signatures).encode()) == Signatures(signatures)


@pytest.mark.parametrize(
    "blob",
    [
        wire.bytes_field(2, b"room for a message"),
        wire.bytes_field(1, wire.fixed32_field(3, 1) + wire.bytes_field(2, b"x")),
        wire.bytes_field(1, wire.number_field(1, 2) + wire.bytes_field(2, b"x")),
    ],
    ids=["unknown field", "fields out of order", "unknown inner field"],
)
def test_signatures_have_one_encoding(blob: bytes) -> None:
    with pytest.raises(UntrustedData, match="canonical"):
        Signatures.parse(blob)


def test_the_release_is_canonical_json() -> None:
    assert release_bytes(RELEASE) == (
        b'{"architecture":"x86_64","image":"minimal","min_version":"1.0","platform":"uefi",'
        b'"root_hash":"' + b"ab" * 32 + b'","version":"1.0.1"}'
    )
    assert release_of(Manifest(release=release_bytes(RELEASE))) == RELEASE


@pytest.mark.parametrize(
    "release",
    [None, b"", b"{", b"[]", b"{}", b"\xff", b"[" * 100_000, release_bytes(RELEASE)[:-1]],
    ids=["absent", "empty", "cut", "list", "no fields", "no text", "deep", "cut late"],
)
def test_a_payload_without_an_identity_is_refused(release: bytes | None) -> None:
    with pytest.raises(UntrustedData):
        release_of(Manifest(release=release))


def test_every_record_class_is_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Manifest().block_size = 1  # type: ignore[misc]  # what the test is about
