"""Records as frozen dataclasses: one declaration per field, both directions.

A record class lists its fields with ``field_of``; ``encode`` and ``decode``
work from that list, so the two can not drift apart. Fields are written in
ascending order of number and absent ones are left out, which makes the bytes
a function of the value. Unknown fields are skipped, as the wire format
intends; a field given twice where one is meant is refused, because readers
disagree on which of the two counts.

Every inner record decoded costs a few hundred bytes, wherever it is nested,
so one budget limits them all.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeVar

from osmodel.faults import UntrustedData
from osmodel.payload import wire

MAX_RECORDS = 65_536
"""Inner records in one decoded record; about 16 MiB of objects."""

T = TypeVar("T")


class Form(Enum):
    """How a field is written."""

    NUMBER = auto()
    FIXED32 = auto()
    BYTES = auto()
    TEXT = auto()
    RECORD = auto()
    RECORDS = auto()


_WIRE_TYPE = {Form.NUMBER: wire.VARINT, Form.FIXED32: wire.FIXED32}


@dataclass(frozen=True, slots=True)
class _Declared:
    name: str
    number: int
    form: Form
    inner: type[Any] | None


_DECLARED: dict[type[Any], tuple[_Declared, ...]] = {}  # what each class was found to declare


def field_of(number: int, form: Form, inner: type[Any] | None = None) -> Any:
    """Declare a record's field; absent is ``None``, or ``()`` for ``RECORDS``.

    Args:
        number: field number on the wire.
        form: how it is written.
        inner: class of the inner record, for ``RECORD`` and ``RECORDS``.
    """
    assert (inner is not None) == (form in {Form.RECORD, Form.RECORDS})
    absent = () if form is Form.RECORDS else None
    return dataclasses.field(default=absent, metadata={"wire": (number, form, inner)})


def encode(record: object) -> bytes:
    """The bytes of a record."""
    out = bytearray()
    for item in _declared(type(record)):
        value = getattr(record, item.name)
        if item.form is Form.RECORDS:
            for inner in value:
                out += wire.bytes_field(item.number, encode(inner))
        elif value is not None:
            out += _encode_one(item, value)
    return bytes(out)


def _encode_one(item: _Declared, value: Any) -> bytes:
    if item.form is Form.NUMBER:
        return wire.number_field(item.number, value)
    if item.form is Form.FIXED32:
        return wire.fixed32_field(item.number, value)
    if item.form is Form.TEXT:
        return wire.bytes_field(item.number, value.encode())
    return wire.bytes_field(item.number, value if item.form is Form.BYTES else encode(value))


def decode(kind: type[T], data: bytes | memoryview) -> T:
    """Read a record of class ``kind``.

    Raises:
        UntrustedData: malformed, a single field twice, or more than
            ``MAX_RECORDS`` inner records.
    """
    return _Decoder().record(kind, data)


class _Decoder:
    def __init__(self) -> None:
        self._records_left = MAX_RECORDS

    def record(self, kind: type[T], data: bytes | memoryview) -> T:
        declared = {item.number: item for item in _declared(kind)}
        values: dict[str, Any] = {}
        for number, wire_type, raw in wire.read_fields(data):
            item = declared.get(number)
            if item is None:
                continue
            where = f"{kind.__name__}.{item.name}"
            if wire_type != _WIRE_TYPE.get(item.form, wire.BYTES):
                raise UntrustedData(f"{where} has wire type {wire_type}")
            if item.form is Form.RECORDS:
                values.setdefault(item.name, []).append(self._value(item, raw))
            elif item.name in values:
                raise UntrustedData(f"{where} is given twice")
            else:
                values[item.name] = self._value(item, raw)
        return kind(**{name: tuple(v) if type(v) is list else v for name, v in values.items()})

    def _value(self, item: _Declared, raw: int | memoryview) -> Any:
        if isinstance(raw, int):
            return raw
        if item.inner is not None:
            self._records_left -= 1
            if self._records_left < 0:
                raise UntrustedData(f"more than {MAX_RECORDS} records in one")
            return self.record(item.inner, raw)
        if item.form is Form.BYTES:
            return bytes(raw)
        try:
            return str(raw, "utf-8")
        except UnicodeDecodeError as error:
            raise UntrustedData(f"{item.name} is not UTF-8 text") from error


def _declared(kind: type[Any]) -> tuple[_Declared, ...]:
    if kind not in _DECLARED:
        found = [_Declared(f.name, *f.metadata["wire"]) for f in dataclasses.fields(kind)]
        _DECLARED[kind] = tuple(sorted(found, key=lambda item: item.number))
    return _DECLARED[kind]
