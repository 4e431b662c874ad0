"""What one source gives: user data, metadata, or both. Pure.

A source is read in parts, the user data first. A part that is broken is reported
and costs itself alone: neither does broken metadata cost the user data, nor a
document that cannot be unpacked the keys to log in with.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from cloud_config.planning.metadata import Metadata
from osmodel.faults import Fault, InvalidInput, TransientFailure, UntrustedData

LARGEST_USER_DATA = 1 << 20  # bytes, as coreos-cloudinit
T = TypeVar("T")
_SIGHT = 1024  # bytes

_BASE64 = frozenset({"b64", "base64", "gz+b64", "gzip+b64", "gz+base64", "gzip+base64"})
_GZIP = frozenset({"gz", "gzip", "gz+b64", "gzip+b64", "gz+base64", "gzip+base64"})


@dataclass(frozen=True, slots=True)
class Seed:
    """What was found in one place.

    Attributes:
        metadata: facts about the machine; its ``source`` names the place.
        user_data: as found; a secret. ``None`` if none were set.
        remarks: one line each, about parts that were there and are not used.
        problems: one line each, about parts that could not be read.
        url: where the user data is instead, if the source only says that.
        encoding: of what is at that URL.
        is_forgetful: whether user data that are not there may have been there
            before, as on a medium that was taken out.
    """

    metadata: Metadata
    user_data: bytes | None = field(default=None, repr=False)
    remarks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    url: str = field(default="", repr=False)
    encoding: str = ""
    is_forgetful: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing could be read of the source."""
        nothing = Metadata(source=self.metadata.source)
        return self.user_data is None and not self.url and self.metadata == nothing


class Parts:
    """Reads the parts of a source one by one and keeps why some could not be read."""

    def __init__(self) -> None:
        self._problems: list[str] = []
        self._has_read = False
        self._has_ended = False

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each part that could not be read."""
        return tuple(self._problems)

    def read(self, part: Callable[[], T], otherwise: T) -> T:
        """A part, or ``otherwise`` if it is broken.

        Raises:
            TransientFailure: the source does not answer at all. One that stops
                answering later is not asked for its other parts.
        """
        if self._has_ended:
            return otherwise
        try:
            found = part()
        except TransientFailure as fault:
            if not self._has_read:
                raise
            self._has_ended = True
            self._problems.append(described(fault))
            return otherwise
        except Fault as fault:
            self._problems.append(described(fault))
            return otherwise
        self._has_read = True
        return found

    def note(self, fault: Fault) -> None:
        """Keep a problem that was met elsewhere."""
        self._problems.append(described(fault))


def described(fault: Fault) -> str:
    """A fault and its hint in one line."""
    return f"{fault} ({fault.hint})" if fault.hint else str(fault)


def given(content: bytes | None) -> bytes | None:
    """User data, or ``None`` if it is missing or blank: an empty field is no document.

    Raises:
        InvalidInput: they are too long.
    """
    if content is not None and len(content) > LARGEST_USER_DATA:
        raise InvalidInput(
            f"user data of {len(content)} bytes, at most {LARGEST_USER_DATA} are read"
        )
    return content if content is not None and content.strip() else None


def apart(content: bytes | None) -> bytes | None:
    """User data that were asked for by themselves because the service's whole answer is broken.

    What answers may be something else, so only what is user data at first sight is.
    """
    begin = b"" if content is None else content.lstrip()[:_SIGHT]
    is_one = begin.startswith((b"#", b"\x1f\x8b")) or b"content-type: multipart/" in begin.lower()
    return given(content) if is_one else None


def decoded(content: bytes, encoding: str, where: str) -> bytes:
    """User data out of the encoding that a variable beside them names.

    Raises:
        UntrustedData: they are not in it; the message begins with ``where``.
        InvalidInput: they unpack to too much.
    """
    kind = encoding.strip().lower()
    if kind and kind not in _BASE64 | _GZIP:
        raise UntrustedData(f"{where}: unknown encoding {kind[:20]!r}")
    if kind in _BASE64:
        content = from_base64(content.decode("ascii", "replace"), where)
    return _unpacked(content, where) if kind in _GZIP else content


def _unpacked(content: bytes, where: str) -> bytes:
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = unpacker.decompress(content, LARGEST_USER_DATA + 1)
    except zlib.error as error:
        raise UntrustedData(f"{where}: not gzip") from error
    if len(plain) > LARGEST_USER_DATA:
        raise InvalidInput(f"{where}: unpacks to more than {LARGEST_USER_DATA} bytes")
    if not unpacker.eof:
        raise UntrustedData(f"{where}: gzip that ends early")
    return plain


def from_base64(text: str, where: str) -> bytes:
    """Decode ``text``, which may be broken into lines.

    Raises:
        UntrustedData: it is something else; the message begins with ``where``.
    """
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UntrustedData(f"{where}: not base64") from error
