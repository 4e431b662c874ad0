"""What kind of user data a machine was given: its parts, before anything is read from them.

Plain text says what it is in its first line. gzip is unpacked, a multipart
MIME message taken apart; in both, what is inside says what it is again. JSON
for Ignition is refused: it means another program, and half of it applied would
be worse than none.

Source: coreos-cloudinit, config/{config,script,ignition}.go; MIME as in
Flatcar's initialize/user_data.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from cloud_config.document.budget import MAX_BYTES, Budget, BudgetError
from cloud_config.document.contents import unpacked
from cloud_config.document.findings import Finding, Level
from cloud_config.document.jsontext import parsed
from cloud_config.document.multipart import UnreadableError, leaves
from cloud_config.document.showing import shown

HEADER = b"#cloud-config"
IGNITION = (
    "this is a configuration for Ignition, which runs once from an initrd and is not part of "
    "this system: write it as a #cloud-config, see from-coreos-cloudinit.md"
)
_UNKNOWN = 'must be "#cloud-config" or begin with "#!"'
_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_MARK = b"\xef\xbb\xbf"
_MIME = re.compile(
    rb"\A(?:[A-Za-z0-9-]+:.*\n(?:[ \t].*\n)*)*?content-type:\s*multipart/", re.IGNORECASE
)
_MAY_HOLD_PARTS = re.compile(
    r"text/(cloud-config|x-shellscript|plain)\Z"
    r"|application/(octet-stream|json|(x-)?(gzip|gzip-compressed|gzipped|gunzip|compress(ed)?))\Z"
)
_MAX_NESTING = 3
_MAX_TOTAL = 2 * MAX_BYTES  # of all parts, unpacked


class PartKind(StrEnum):
    """What a part of the user data is."""

    CLOUD_CONFIG = "cloud-config"
    SCRIPT = "script"


@dataclass(frozen=True, slots=True)
class Part:
    """One thing to apply.

    Attributes:
        content: unpacked and decoded, not yet substituted.
        name: file name of a MIME part; empty otherwise.
        line: where the content begins in the user data, counted from 1.
    """

    kind: PartKind
    content: bytes = field(repr=False)
    name: str = ""
    line: int = 1


@dataclass(frozen=True, slots=True)
class UserData:
    """The parts in order, and what was wrong with those that are missing."""

    parts: tuple[Part, ...] = ()
    findings: tuple[Finding, ...] = ()


def classify(data: bytes, budget: Budget) -> UserData:
    """Unpack user data: plain, gzip or multipart MIME; empty data has no parts.

    Args:
        data: as the source gave them.
        budget: what may be unpacked; less is left afterwards.
    """
    unpacker = _Unpacker(budget)
    if len(data) > MAX_BYTES:
        unpacker.refuse(1, f"user data is larger than {MAX_BYTES} bytes")
    else:
        unpacker.take(data)
    return UserData(tuple(unpacker.parts), tuple(unpacker.findings))


class _Unpacker:
    """Takes apart what may be packed in itself, within one budget of bytes."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.parts: list[Part] = []
        self.findings: list[Finding] = []
        self._left = _MAX_TOTAL

    def take(self, data: bytes, name: str = "", line: int = 1, depth: int = 0) -> None:
        """Add the parts of ``data``, which begins at ``line`` of the user data."""
        if not data:
            return
        if depth > _MAX_NESTING:
            self.refuse(line, "user data is packed too often")
        elif data.startswith(_GZIP_MAGIC):
            self._gzip(data, name, line, depth)
        elif _MIME.match(data[:4096]):
            self._message(data, line, depth)
        else:
            self._plain(data.removeprefix(_UTF8_MARK), name, line)

    def refuse(self, line: int, message: str) -> None:
        """Note why there is no part."""
        self.findings.append(Finding(line, Level.ERROR, message))

    def _plain(self, data: bytes, name: str, line: int) -> None:
        if data.startswith(b"#!"):
            self._keep(Part(PartKind.SCRIPT, data, name, line))
        elif data.split(b"\n", 1)[0].rstrip() == HEADER:
            self._keep(Part(PartKind.CLOUD_CONFIG, data, name, line))
        else:
            self.refuse(line, IGNITION if is_ignition(data) else _UNKNOWN)

    def _keep(self, part: Part) -> None:
        self._left -= len(part.content)
        if self._left < 0:
            self.refuse(part.line, f"user data holds more than {_MAX_TOTAL} bytes")
        else:
            self.parts.append(part)

    def _gzip(self, data: bytes, name: str, line: int, depth: int) -> None:
        try:
            inner = unpacked(data, MAX_BYTES, self._budget)
        except BudgetError as error:
            self.refuse(line, str(error))
            return
        if inner is None:
            self.refuse(line, f"gzip is damaged or holds more than {MAX_BYTES} bytes")
        else:
            self.take(inner, name, line, depth + 1)

    def _message(self, data: bytes, line: int, depth: int) -> None:
        try:
            found = leaves(data)
        except UnreadableError as error:
            self.refuse(line, str(error))
            return
        for leaf in found:
            at = line + leaf.lines_before
            if leaf.content is None:
                self.refuse(at, "part of the multipart message is no base64")
            elif leaf.kind == "text/cloud-config" and _has_no_header(leaf.content):
                self._keep(Part(PartKind.CLOUD_CONFIG, leaf.content, leaf.name, at))
            elif _MAY_HOLD_PARTS.match(leaf.kind):
                self.take(leaf.content, leaf.name, at, depth + 1)
            else:
                message = f'part of type "{shown(leaf.kind)}" is not known and left out'
                self.findings.append(Finding(at, Level.WARNING, message))


def _has_no_header(content: bytes) -> bool:
    """A part may do without it, since its type says what it is."""
    return not content.startswith((HEADER, _GZIP_MAGIC, b"{"))


def is_ignition(data: bytes) -> bool:
    """Whether this is JSON that names Ignition at its top."""
    if not data.lstrip().startswith(b"{"):
        return False
    try:
        top = parsed(data)
    except ValueError:
        return False
    return isinstance(top, dict) and ("ignition" in top or "ignitionVersion" in top)
