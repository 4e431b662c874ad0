"""The nodes of the tree, and what becomes of a key that is given twice.

Lists are joined and tables merged key by key, of other values the last counts:
so coreos-cloudinit's reader has it, which fills what it has filled before.

Source: go-yaml version 1, decode.go (sequence, mappingStruct).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cloud_config.document.findings import Finding, Level
from cloud_config.document.showing import shown


@dataclass(slots=True)
class Scalar:
    """A single value as written.

    Attributes:
        tag: explicit tag, such as ``tag:yaml.org,2002:binary``; empty without one.
        plain: without quotes, so that it may be a number, a boolean or nothing.
        size: bytes of text.
    """

    text: str
    line: int
    tag: str = ""
    plain: bool = False
    weight: int = 1
    size: int = 0


@dataclass(slots=True)
class Listing:
    """A sequence; ``items`` are pairs of a line, that of the dash, and a value."""

    line: int
    items: list[tuple[int, Node]] = field(default_factory=list)
    weight: int = 1
    size: int = 0


@dataclass(slots=True)
class Mapping:
    """A mapping; ``entries`` by key with underscores, each with the key's line."""

    line: int
    entries: dict[str, tuple[int, Node]] = field(default_factory=dict)
    merged: dict[str, tuple[int, Node]] = field(default_factory=dict)
    weight: int = 1
    size: int = 0


Node = Scalar | Listing | Mapping


@dataclass(frozen=True, slots=True)
class Twice:
    """A key with two values.

    Attributes:
        line: of its second place.
    """

    name: str
    line: int
    first: Node
    second: Node


def joined(twice: Twice, own: set[str], findings: list[Finding]) -> Node:
    """The value that counts.

    Args:
        twice: the key.
        own: keys whose first value was made here, so that no alias has it and it
            may grow.
        findings: gets a warning.
    """
    match twice.first, twice.second:
        case Listing(), Listing():
            _warn(twice, "the lists are joined", findings)
            return _joined_lists(twice.first, twice.second, twice.name, own)
        case Mapping(), Mapping():
            _warn(twice, "the tables are merged", findings)
            own.discard(twice.name)
            return _merged_tables(twice.first, twice.second, findings)
        case _:
            _warn(twice, "the last one counts", findings)
            return twice.second


def _joined_lists(first: Listing, second: Listing, name: str, own: set[str]) -> Listing:
    if name not in own:
        first = Listing(first.line, list(first.items), first.weight, first.size)
        own.add(name)
    first.items.extend(second.items)
    first.weight += second.weight
    first.size += second.size
    return first


def _merged_tables(first: Mapping, second: Mapping, findings: list[Finding]) -> Mapping:
    entries = dict(first.entries)
    for name, (line, node) in second.entries.items():
        before = entries.get(name)
        twice = Twice(name, line, before[1], node) if before else None
        entries[name] = (line, joined(twice, set(), findings) if twice else node)
    weight, size = first.weight + second.weight, first.size + second.size
    return Mapping(first.line, entries, {}, weight, size)


def _warn(twice: Twice, outcome: str, findings: list[Finding]) -> None:
    message = f'duplicate key "{shown(twice.name)}" ({outcome})'
    findings.append(Finding(twice.line, Level.WARNING, message))
