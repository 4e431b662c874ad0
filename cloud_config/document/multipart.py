"""User data that is a MIME message of several parts.

Python's own mail parser is not used: it takes every mistake for a mail of some
old program, raises what it likes at some of them, and loses the lines.

Source: RFC 2045 sections 5 and 6, RFC 2046 section 5.1; types as cloud-init
and Flatcar's coreos-cloudinit know them.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from cloud_config.document.scalars import unbase64
from cloud_config.document.showing import shown

_MAX_PARTS = 64
_MAX_NESTING = 4
_MAX_HEADERS = 64 << 10  # bytes before the empty line that ends them
_FIELD = re.compile(rb"([A-Za-z0-9-]+):[ \t]*((?:.*\n[ \t])*.*)\n?")
_PARAMETER = re.compile(r';\s*([A-Za-z0-9-]+)\s*=\s*(?:"([^"]*)"|([^\s;"]+))')


class UnreadableError(Exception):
    """A message whose parts cannot be found; the text says why."""


@dataclass(frozen=True, slots=True)
class MimePart:
    """A part that is no multipart itself.

    Attributes:
        kind: media type in lower case, ``text/plain`` without one.
        name: file name, fit for a message; empty without one.
        content: its transfer encoding undone; ``None`` if that is not possible.
        lines_before: lines of the message above the content; a packed part has
            no lines of its own in the message, its begin stands for all.
    """

    kind: str
    name: str
    content: bytes | None = field(repr=False)
    lines_before: int = 0


@dataclass(frozen=True, slots=True)
class _Entity:
    """Headers and where the body is."""

    headers: dict[str, str]
    begin: int
    end: int

    @property
    def kind(self) -> str:
        value = self.headers.get("content-type", "text/plain")
        return value.partition(";")[0].strip().lower()

    def parameter(self, header: str, name: str) -> str:
        for found in _PARAMETER.finditer(self.headers.get(header, "")):
            if found[1].lower() == name:
                return found[2] if found[2] is not None else found[3]
        return ""


def leaves(data: bytes) -> list[MimePart]:
    """The parts of a message, in order.

    Raises:
        UnreadableError: the message is damaged or has too many parts.
    """
    found: list[MimePart] = []
    for entity in _walk(data, _entity(data, 0, len(data)), 0):
        if len(found) == _MAX_PARTS:
            raise UnreadableError(f"multipart message has more than {_MAX_PARTS} parts")
        name = entity.parameter("content-disposition", "filename")
        lines = data.count(b"\n", 0, entity.begin)
        found.append(MimePart(entity.kind, shown(name), _content(data, entity), lines))
    return found


def _entity(data: bytes, begin: int, end: int) -> _Entity:
    """Read the headers at ``begin``."""
    headers: dict[str, str] = {}
    position = begin
    limit = min(end, begin + _MAX_HEADERS)
    while header := _FIELD.match(data, position, limit):
        value = " ".join(header[2].decode("utf-8", "replace").split())
        headers.setdefault(header[1].decode().lower(), value)
        position = header.end()
    blank = re.compile(rb"[ \t]*\r?\n").match(data, position, end)
    return _Entity(headers, blank.end() if blank else position, end)


def _walk(data: bytes, entity: _Entity, depth: int) -> Iterator[_Entity]:
    """The parts below an entity that are no multiparts."""
    if not entity.kind.startswith("multipart/"):
        yield entity
        return
    boundary = entity.parameter("content-type", "boundary")
    if not boundary or depth == _MAX_NESTING:
        raise UnreadableError("multipart message has no boundary or too many levels")
    for begin, end in _between(data, entity, boundary.encode()):
        yield from _walk(data, _entity(data, begin, end), depth + 1)


def _between(data: bytes, entity: _Entity, boundary: bytes) -> Iterator[tuple[int, int]]:
    """Where the parts are; the line break before a boundary belongs to the boundary."""
    delimiter = re.compile(rb"^--" + re.escape(boundary) + rb"(--)?[ \t]*\r?(\n|\Z)", re.MULTILINE)
    begin = -1
    for found in delimiter.finditer(data, entity.begin, entity.end):
        if begin >= 0:
            yield begin, max(begin, _before_break(data, found.start()))
        if found[1]:
            return
        begin = found.end()
    if begin < 0:
        raise UnreadableError("multipart message has no parts; does its boundary match?")
    yield begin, entity.end


def _before_break(data: bytes, position: int) -> int:
    return position - (2 if data[position - 2 : position] == b"\r\n" else 1)


def _content(data: bytes, entity: _Entity) -> bytes | None:
    raw = data[entity.begin : entity.end]
    match entity.headers.get("content-transfer-encoding", "").lower():
        case "base64":
            return unbase64(raw.translate(None, b" \t"))
        case "quoted-printable":
            return binascii.a2b_qp(raw)
        case _:
            return raw
