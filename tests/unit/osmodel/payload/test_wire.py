import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmodel.faults import UntrustedData
from osmodel.payload import wire

NUMBERS = st.integers(0, wire.MAX_NUMBER)
FIELD_NUMBERS = st.integers(1, (1 << 29) - 1)

MALFORMED = {
    "tag cut short": b"\x80",
    "number cut short": b"\x08\xff",
    "number missing": b"\x08",
    "number of 65 bits": b"\x08" + b"\xff" * 9 + b"\x02",
    "number of 11 bytes": b"\x08" + b"\xff" * 10 + b"\x01",
    "number longer than needed": b"\x08\x81\x00",
    "zero longer than needed": b"\x08\x80\x00",
    "tag longer than needed": b"\x88\x00\x01",
    "length beyond the end": b"\x0a\x02x",
    "length of 2^64-1": b"\x0a" + b"\xff" * 9 + b"\x01",
    "length cut short": b"\x0a\x80",
    "fixed32 cut short": b"\x0d\x00\x00\x00",
    "fixed64 cut short": b"\x09" + bytes(7),
    "group starts": b"\x0b",
    "group ends": b"\x0c",
    "wire type 6": b"\x0e",
    "wire type 7": b"\x0f",
    "field number 0": b"\x00\x00",
    "field number of 30 bits": wire.varint(1 << 32) + b"\x00",
}


@given(NUMBERS)
def test_reading_undoes_writing_of_numbers(number: int) -> None:
    [field] = wire.read_fields(wire.number_field(7, number))
    assert field == (7, wire.VARINT, number)


@given(FIELD_NUMBERS, st.binary(max_size=300))
def test_reading_undoes_writing_of_bytes(number: int, data: bytes) -> None:
    [field] = wire.read_fields(wire.bytes_field(number, data))
    assert (field.number, field.wire_type) == (number, wire.BYTES)
    assert isinstance(field.value, memoryview)
    assert bytes(field.value) == data


@given(FIELD_NUMBERS, st.integers(0, (1 << 32) - 1))
def test_reading_undoes_writing_of_fixed_numbers(number: int, value: int) -> None:
    assert [*wire.read_fields(wire.fixed32_field(number, value))] == [(number, wire.FIXED32, value)]


def test_a_fixed_number_of_64_bits_is_read() -> None:
    record = wire.varint(3 << 3 | wire.FIXED64) + struct.pack("<Q", 1 << 40)
    assert [*wire.read_fields(record)] == [(3, wire.FIXED64, 1 << 40)]


@pytest.mark.parametrize(
    ("number", "encoded"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02"), (1 << 63, "80" * 9 + "01")],
)
def test_numbers_are_written_as_the_specification_shows(number: int, encoded: str) -> None:
    assert wire.varint(number).hex() == encoded


@pytest.mark.parametrize("record", MALFORMED.values(), ids=MALFORMED)
def test_malformed_fields_are_refused(record: bytes) -> None:
    with pytest.raises(UntrustedData):
        list(wire.read_fields(record))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(record: bytes) -> None:
    try:
        fields = list(wire.read_fields(record))
    except UntrustedData:
        return
    assert all(1 <= field.number < 1 << 29 for field in fields)
