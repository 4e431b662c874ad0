"""Durations as Go programs write them, such as ``1h30m``.

Source: Go's time.ParseDuration.
"""

from __future__ import annotations

import re
from fractions import Fraction

from osmodel.faults import InvalidInput

_UNITS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "\u00b5s": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|\u00b5s|ms|s|m|h)")
_LONGEST_TEXT = 64
_LONGEST = 7 * 24 * 3600  # seconds: a reboot window that is longer than a week is always open


def parse_duration(text: str) -> int:
    """Whole seconds, rounded down.

    Raises:
        InvalidInput: no duration, not above zero, or longer than a week.
    """
    if len(text) > _LONGEST_TEXT:
        raise InvalidInput("too long for a duration")
    bare = text.removeprefix("+")
    parts = list(_PART.finditer(bare))
    if not parts or "".join(part.group() for part in parts) != bare:
        raise InvalidInput(f"expected a duration such as 1h30m, got {text!r}")
    seconds = sum((Fraction(part[1].rstrip(".")) * _UNITS[part[2]] for part in parts), Fraction(0))
    if not 1 <= seconds <= _LONGEST:
        raise InvalidInput(f"expected 1s up to a week, got {text!r}")
    return int(seconds)
