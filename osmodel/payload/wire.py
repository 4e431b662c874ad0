"""Fields of the protocol buffer wire format, read strictly.

A machine needs three record kinds of one file format, so it carries these few
functions rather than a protocol buffer runtime. The reader takes nothing on
trust: every length is checked against what is left, numbers that do not fit
64 bits or are written longer than needed are refused, and so are the group
types that nothing emits any more.

Source: Protocol Buffers Documentation, "Encoding" (varints, wire types,
non-varint numbers).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from osmodel.faults import UntrustedData

VARINT = 0
FIXED64 = 1
BYTES = 2
FIXED32 = 5

MAX_NUMBER = (1 << 64) - 1
_MAX_FIELD = (1 << 29) - 1
_LONGEST_VARINT = 10  # bytes
_PAYLOAD_BITS = 0x7F  # of a varint byte
_MORE = 0x80  # flag of every varint byte but the last
_FIXED32 = struct.Struct("<I")
_FIXED64 = struct.Struct("<Q")


class WireField(NamedTuple):
    """One field as it stands in a record.

    Attributes:
        number: which field, from 1.
        wire_type: ``VARINT``, ``FIXED64``, ``BYTES`` or ``FIXED32``.
        value: a number, or for ``BYTES`` a view into the record.
    """

    number: int
    wire_type: int
    value: int | memoryview


def varint(number: int) -> bytes:
    """``number`` in base 128, least significant group first."""
    assert 0 <= number <= MAX_NUMBER, f"{number} does not fit 64 bits"
    out = bytearray()
    while number > _PAYLOAD_BITS:
        out.append(number & _PAYLOAD_BITS | _MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


def number_field(field: int, number: int) -> bytes:
    """A number as a varint."""
    return varint(field << 3 | VARINT) + varint(number)


def fixed32_field(field: int, number: int) -> bytes:
    """A number below 2^32 in four bytes."""
    return varint(field << 3 | FIXED32) + _FIXED32.pack(number)


def bytes_field(field: int, data: bytes) -> bytes:
    """Bytes, text or an inner record, behind its length."""
    return varint(field << 3 | BYTES) + varint(len(data)) + data


def read_fields(record: bytes | memoryview) -> Iterator[WireField]:
    """The fields of a record, in order.

    Raises:
        UntrustedData: a field is cut short, reaches past the end of the
            record, or is of a kind that does not exist.
    """
    view = memoryview(record)
    at = 0
    while at < len(view):
        tag, at = _read_varint(view, at)
        number, wire_type = tag >> 3, tag & 7
        if not 1 <= number <= _MAX_FIELD:
            raise UntrustedData(f"field number {number} is out of range")
        value: int | memoryview
        if wire_type == VARINT:
            value, at = _read_varint(view, at)
        elif wire_type == BYTES:
            length, at = _read_varint(view, at)
            value, at = _cut(view, at, length), at + length
        elif wire_type == FIXED32:
            value, at = _FIXED32.unpack(_cut(view, at, 4))[0], at + 4
        elif wire_type == FIXED64:
            value, at = _FIXED64.unpack(_cut(view, at, 8))[0], at + 8
        else:
            raise UntrustedData(f"field {number} has wire type {wire_type}")
        yield WireField(number, wire_type, value)


def _cut(view: memoryview, at: int, length: int) -> memoryview:
    if length > len(view) - at:
        raise UntrustedData(f"field of {length} bytes where {len(view) - at} are left")
    return view[at : at + length]


def _read_varint(view: memoryview, at: int) -> tuple[int, int]:
    number = 0
    for index, byte in enumerate(view[at : at + _LONGEST_VARINT]):
        number |= (byte & _PAYLOAD_BITS) << 7 * index
        if not byte & _MORE:
            # A last group of zero only lengthens: one number, one encoding.
            if number > MAX_NUMBER or (byte == 0 and index > 0):
                raise UntrustedData("number is not in its shortest 64-bit form")
            return number, at + index + 1
    raise UntrustedData("number does not end")
