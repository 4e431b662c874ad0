"""Payloads and slots beyond 4 GiB: the signature covers the last byte as it covers the first.

A signed length that wraps at 32 bits would let everything behind it be changed.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from hostio.disk.blockdev import FileBlockDevice
from osmodel.faults import UntrustedData
from osmodel.payload.layout import BLOCK, HEADER_SIZE, Header
from osmodel.payload.manifest import Extent, Manifest, OperationType
from osmodel.payload.structure import plan_of
from tests.fakes.payloads import (
    KEYS,
    manifest_of,
    operation,
    sign,
    signatures,
    small_release,
    trust,
)
from update_engine.install.payloadreader import PayloadReader
from update_engine.install.signatures import verify
from update_engine.install.slotwriter import SlotWriter

pytestmark = pytest.mark.slow

GIB = 1 << 30
PIECE = 1 << 20
SIZE = 4 * GIB + 1
ZEROS = bytes(PIECE)


class LargePayload:
    """A signed payload with ``SIZE`` bytes of data that exist only as they are read."""

    def __init__(self) -> None:
        size = len(signatures(KEYS[:2], bytes(32)))
        manifest = replace(manifest_of(small_release())[0], signatures_offset=SIZE)
        encoded = replace(manifest, signatures_size=size).encode()
        front = Header(len(encoded), size).encode() + encoded
        digest = hashlib.sha256(front)
        self._before = front + signatures(KEYS[:2], digest.digest())
        for _ in range(SIZE // PIECE):
            digest.update(ZEROS)
        digest.update(ZEROS[: SIZE % PIECE])
        self._after = signatures(KEYS[:2], digest.digest())

    def stream(self, *, last_byte: bytes = b"\0") -> Pieces:
        return Pieces(self._before, SIZE - 1, last_byte + self._after)


class Pieces:
    """Some bytes, a number of zeros, some bytes."""

    def __init__(self, before: bytes, zeros: int, after: bytes) -> None:
        self._before, self._zeros, self._after = before, zeros, after

    def read(self, size: int, /) -> bytes:
        if self._before:
            data, self._before = self._before[:size], self._before[size:]
        elif self._zeros:
            data = ZEROS[: min(size, self._zeros)]
            self._zeros -= len(data)
        else:
            data, self._after = self._after[:size], self._after[size:]
        return data


@pytest.fixture(scope="module")
def large() -> LargePayload:
    return LargePayload()


def check(stream: Pieces) -> None:
    """Read as a machine does: everything, then the signature over it."""
    reader = PayloadReader(stream)
    header = Header.parse(bytes(reader.exactly(HEADER_SIZE)))
    manifest = Manifest.parse(bytes(reader.exactly(header.manifest_size)))
    verify(trust(), reader.digest, bytes(reader.uncounted(header.metadata_signature_size)))
    missing = manifest.signatures_offset or 0
    while missing:
        missing -= len(reader.exactly(min(missing, PIECE)))
    verify(trust(), reader.digest, bytes(reader.uncounted(manifest.signatures_size or 0)))
    reader.end()


def test_a_payload_beyond_4_gib_is_read_to_its_end(large: LargePayload) -> None:
    check(large.stream())


def test_the_last_byte_of_a_payload_beyond_4_gib_is_signed(large: LargePayload) -> None:
    with pytest.raises(UntrustedData, match="0 of 3 trusted keys"):
        check(large.stream(last_byte=b"\1"))


def test_content_beyond_4_gib_lands_beyond_4_gib(tmp_path: Path) -> None:
    far = 4 * GIB + BLOCK
    path = tmp_path / "slot"
    with path.open("wb") as file:
        file.truncate(far + BLOCK)
    with FileBlockDevice(path) as device:
        SlotWriter(device).write(far, b"x" * BLOCK)
        device.flush()
        assert device.read(far - 1, 3) == b"\0xx"
        assert device.read(BLOCK, BLOCK) == bytes(BLOCK)


def test_a_root_beyond_4_gib_is_planned_exactly() -> None:
    count = (4 * GIB) // BLOCK + 3
    manifest, data = manifest_of(small_release())
    root, uki = manifest.partitions
    first = root.operations[0]
    assert root.new_partition_info is not None
    rest = operation(OperationType.ZERO, b"", 4, count - 4)
    dropped = sum(one.data_length or 0 for one in root.operations[1:])
    large = replace(
        root,
        operations=(first, rest),
        new_partition_info=replace(root.new_partition_info, size=count * BLOCK),
        hash_tree_data_extent=Extent(0, count),
    )
    moved = tuple(
        replace(one, data_offset=(one.data_offset or 0) - dropped) for one in uki.operations
    )
    changed = replace(manifest, partitions=(large, replace(uki, operations=moved)))
    kept = data[: first.data_length] + data[(first.data_length or 0) + dropped :]
    signed = sign(changed, kept)

    plan = plan_of(Manifest.parse(signed.manifest))

    assert plan.content("root").size == 4 * GIB + 3 * BLOCK
    assert sum(step.length for step in plan.content("root").steps) == 4 * GIB + 3 * BLOCK
