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
    """What a single value is; the words are those of coreos-cloudinit's messages."""

    TEXT = "string"
    FLAG = "bool"
    WHOLE = "int"
    NUMBER = "float64"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A single value.

    Attributes:
        pattern: searched in the value as text; an empty value always passes.
        allowed: what the pattern allows, in words for people.
        secret: never quoted in a message.
        raw: may hold any byte, zero included.
    """

    kind: Kind = Kind.TEXT
    pattern: str = ""
    allowed: str = ""
    secret: bool = False
    raw: bool = False

    def accepts(self, text: str) -> bool:
        """Whether ``text`` is an allowed value."""
        return not self.pattern or not text or bool(_compiled(self.pattern).search(text))


def choice(*words: str) -> Leaf:
    """A value that is one of these words."""
    pattern = "|".join(map(re.escape, words))
    return Leaf(pattern=rf"\A({pattern})\Z", allowed=", ".join(words))


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
        spoiling: the same of keys without which an item would mean something else.
        words: single words that other programs take as an item, with what to do.
    """

    keys: tuple[Key, ...]
    required: tuple[str, ...] = ()
    whole: bool = False
    foreign: tuple[tuple[str, str], ...] = ()
    spoiling: tuple[tuple[str, str], ...] = ()
    words: tuple[tuple[str, str], ...] = ()

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


_WORDS = {
    Kind.TEXT: "a single value",
    Kind.FLAG: "true or false, without quotes",
    Kind.WHOLE: "a whole number",
    Kind.NUMBER: "a number",
}


def described(shape: Shape) -> str:
    """What belongs in a place, in the words of someone who writes YAML."""
    match shape:
        case Leaf(kind=kind):
            return _WORDS[kind]
        case Items(item=Leaf()):
            return 'a list, each item after "- " or in [ ]'
        case Items():
            return 'a list of tables, each after "- "'
        case Fields():
            return "a table of keys and values"


def original_type(shape: Shape) -> str:
    """The same as coreos-cloudinit's messages call it."""
    match shape:
        case Leaf(kind=kind):
            return kind
        case Items(item=item):
            return f"[]{original_type(item)}"
        case Fields():
            return "struct"


def underscored(name: str) -> str:
    """A key as the table writes it."""
    return name.replace("-", "_")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
