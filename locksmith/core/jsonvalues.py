"""Read JSON that anybody may have written, without believing a word of it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from osmodel.faults import UntrustedData

_LONGEST_TEXT = 4096  # characters kept of any text
_INT64 = 1 << 63


def load(value: bytes, what: str, largest: int) -> Mapping[str, object]:
    """The object in ``value``.

    Args:
        value: as it was read.
        what: begins the message.
        largest: bytes.

    Raises:
        UntrustedData: too large, not JSON, or not an object.
    """
    if len(value) > largest:
        raise UntrustedData(f"{what}: {len(value)} bytes, expected at most {largest}")
    try:
        document = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise UntrustedData(f"{what}: not JSON: {shown(value)}") from error
    if not isinstance(document, dict):
        raise UntrustedData(f"{what}: not a JSON object: {shown(value)}")
    return document


def shown(value: bytes) -> str:
    """The beginning of ``value``, for a message."""
    return repr(value[:40].decode("utf-8", "replace")) + ("..." if len(value) > 40 else "")  # noqa: PLR2004 - the same 40


def integer(value: object, what: str) -> int:
    """A whole number of 64 bits.

    Raises:
        UntrustedData: anything else.
    """
    # bool is an int in Python, not in JSON.
    if type(value) is not int or not -_INT64 <= value < _INT64:
        raise UntrustedData(f"{what} is not a whole number")
    return value


def table(value: object) -> Mapping[str, object]:
    """``value`` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str:
    """``value`` if it is text, else an empty one; cut where no text of ours ends."""
    if not isinstance(value, str):
        return ""
    return "".join(one if one.isprintable() else "\ufffd" for one in value[:_LONGEST_TEXT])


def seconds(value: object) -> int:
    """A time in seconds since 1970, or a length; 0 if it is none."""
    return value if type(value) is int and 0 < value < 1 << 40 else 0
