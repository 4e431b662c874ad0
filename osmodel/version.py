"""Version numbers of the operating system.

A version is part of file names on the ESP, where a short name of constant
length is what keeps the loader's renames safe, so its form is narrow: two to
four numbers, at most nine characters, one way to write each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from osmodel.faults import InvalidInput

_FORM = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*)){1,3}")
_LONGEST = 9  # characters; an entry name then has at most 26


@dataclass(frozen=True, order=True, slots=True)
class Version:
    """A release number; ordered number by number, ``1.0`` before ``1.0.0``.

    Attributes:
        numbers: two to four numbers, the most significant first.
    """

    numbers: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read ``1.0.1``.

        Raises:
            InvalidInput: not two to four dotted numbers, a leading zero, or
                more than nine characters.
        """
        if len(text) > _LONGEST:
            raise InvalidInput(
                f"version {text[:40]!r} has {len(text)} characters, at most {_LONGEST} fit"
            )
        if _FORM.fullmatch(text) is None:
            raise InvalidInput(
                f"not a version: {text!r}",
                hint="two to four numbers without leading zeros, such as 1.0.1",
            )
        return cls(tuple(int(number) for number in text.split(".")))

    def __str__(self) -> str:
        return ".".join(map(str, self.numbers))
