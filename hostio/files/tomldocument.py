"""TOML text, the paths of its keys, and the refusal of one of them.

Source: TOML 1.0.0.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable

from osmodel.faults import InvalidInput

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class RefusedKey(InvalidInput):
    """A key that cannot be used.

    Attributes:
        source: the file it is written in.
        path: the key below its tables; of a table when all of it is refused,
            and empty for the whole document. Items of lists are numbers.
    """

    def __init__(
        self, message: str, *, source: str, path: tuple[str | int, ...], hint: str = ""
    ) -> None:
        where = f"{source}: {dotted(path)}: " if path else f"{source}: "
        super().__init__(f"{where}{message}", hint=hint)
        self.source = source
        self.path = path


class Unknown(RefusedKey):
    """A key, or a word of an enumeration, that this version does not know.

    A later version may: readers of a machine's settings leave it out.
    """


def dotted(path: Iterable[str | int]) -> str:
    """A key path as TOML writes it, with items of lists as ``[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _BARE.fullmatch(part) else json.dumps(part, ensure_ascii=False)
            text += f".{name}" if text else name
    return text


def parse_toml(text: str, source: str) -> dict[str, object]:
    """The table of a TOML document.

    Raises:
        InvalidInput: bad syntax, with the file name before it.
    """
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise InvalidInput(f"{source}: nested too deeply") from error
    except ValueError as error:  # also a number of thousands of digits
        raise InvalidInput(f"{source}: {error}") from error
