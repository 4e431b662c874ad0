"""How the keys of a document are declared: one table for reader, schema, hints and manual.

The table itself is in :mod:`cloud_config.document.catalogue`. A key is written
there with underscores; documents may use hyphens instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import get_args, get_type_hints


class Kind(StrEnum):
    """What a single value is; the words appear in messages, as coreos-cloudinit says them."""

    TEXT = "string"
    FLAG = "bool"
    WHOLE = "int"
    NUMBER = "float64"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A single value.

    Attributes:
        pattern: searched in the value as text; an empty value always passes.
        secret: never quoted in a message.
        raw: may hold any byte, zero included.
    """

    kind: Kind = Kind.TEXT
    pattern: str = ""
    secret: bool = False
    raw: bool = False

    def accepts(self, text: str) -> bool:
        """Whether ``text`` is an allowed value."""
        return not self.pattern or not text or bool(_compiled(self.pattern).search(text))


@dataclass(frozen=True, slots=True)
class Items:
    """A list, all of one shape."""

    item: Leaf | Fields


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping with known keys.

    Attributes:
        required: keys without which an item of a list means nothing.
        whole: one invalid value spoils the mapping, since doing only a part of
            it is worse than not doing it: a file with another mode than asked
            for, a disk with another file system.
        foreign: keys other programs know, with what to do here instead.
    """

    keys: tuple[Key, ...]
    required: tuple[str, ...] = ()
    whole: bool = False
    foreign: tuple[tuple[str, str], ...] = ()

    def named(self, name: str) -> Key | None:
        """The key of this name, written with underscores."""
        return next((key for key in self.keys if key.name == name), None)


Shape = Leaf | Items | Fields


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a mapping.

    Attributes:
        about: one sentence for editors and the manual.
        deprecated: what to use instead; a document that has it gets a warning.
    """

    name: str
    shape: Shape
    about: str = ""
    deprecated: str = field(default="")


@cache
def keys_of(record: type) -> tuple[Key, ...]:
    """The keys that a dataclass declares.

    Args:
        record: its fields are ``Annotated[type, shape, sentence]``; one without is no key.
    """
    hints = get_type_hints(record, include_extras=True)
    declared = ((name, get_args(hint)) for name, hint in hints.items())
    return tuple(
        Key(name, found[1], found[2])
        for name, found in declared
        if found[1:] and isinstance(found[1], Leaf | Items | Fields)
    )


def human_type(shape: Shape) -> str:
    """The type as coreos-cloudinit's messages call it."""
    match shape:
        case Leaf(kind=kind):
            return kind
        case Items(item=item):
            return f"[]{human_type(item)}"
        case Fields():
            return "struct"


def underscored(name: str) -> str:
    """A key as the table writes it."""
    return name.replace("-", "_")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
