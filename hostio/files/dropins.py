"""Settings and programs that lie in drop-in directories, as systemd has them.

A program looks into ``/usr/lib``, ``/etc`` and ``/run`` below its own name. A
file of the same name in a later directory replaces the earlier one, a link to
/dev/null masks it, and what remains counts in the order of the names.

Settings are TOML fragments, merged key by key. Reading them never fails: a
machine may run an older version than the one its settings were written for,
and whatever depends on them at boot must come up all the same. What cannot be
used is left out and reported; each key keeps its origin.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

from hostio.files.config import Unknown, build
from osmodel.faults import Fault, HostFailure, InvalidInput

ROOTS = ("usr/lib", "etc", "run")

T = TypeVar("T")


class Severity(StrEnum):
    """How much a program may rely on settings with such a problem."""

    WARNING = "warning"  # a key or a word that this version does not know
    ERROR = "error"  # something was configured and does not hold


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a fragment that could not be used.

    Attributes:
        severity: whether only something unknown was left out.
        text: file, key and what is wrong with it.
        hint: what helps; may be empty.
    """

    severity: Severity
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Fragment:
    """One file as read.

    Attributes:
        source: its path.
        table: its content.
    """

    source: str
    table: Mapping[str, object]


@dataclass(frozen=True)  # no slots: an alias of a generic one could not be called
class Merged(Generic[T]):
    """The sum of all fragments.

    Attributes:
        values: as the schema has them; defaults where nothing usable is said.
        origins: file of each key, by dotted path; not of those at their default.
        problems: what was left out, in the order of the fragments.
    """

    values: T
    origins: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[Problem] = ()


def directories(name: str, root: Path = Path("/")) -> list[Path]:
    """Where drop-ins of ``name`` (such as ``update-engine/config.d``) lie."""
    return [root / place / name for place in ROOTS]


def find(places: Sequence[Path], suffix: str = "") -> dict[str, Path]:
    """The files that count, by name and in the order of their names.

    Hidden files and those of an editor (``~``) do not.

    Args:
        places: directories; the later one wins.
        suffix: of the names that are looked for.

    Raises:
        HostFailure: a directory cannot be read.
    """
    found: dict[str, Path] = {}
    for place in places:
        for path in _listed(place):
            if path.is_symlink() and str(path.readlink()) == "/dev/null":
                found.pop(path.name, None)
            elif path.name.endswith(suffix) and path.name[0] != "." and path.name[-1] != "~":
                found[path.name] = path
    return dict(sorted(found.items()))


def read_fragment(path: Path) -> Fragment:
    """One TOML file.

    Raises:
        InvalidInput: not TOML.
        HostFailure: the file cannot be read.
    """
    try:
        return Fragment(str(path), tomllib.loads(read_text(path)))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidInput(f"{path}: {error}") from error


def read_text(path: Path) -> str:
    """A file as text.

    Raises:
        InvalidInput: not UTF-8.
        HostFailure: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path}: not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}") from error


def merge(schema: type[T], fragments: Sequence[Fragment | Fault]) -> Merged[T]:
    """Put fragments over each other, key by key; the last one wins.

    Args:
        schema: a frozen dataclass, every key of which has a default.
        fragments: as read, or why one could not be.
    """
    table: dict[str, object] = {}
    origins: dict[str, str] = {}
    problems: list[Problem] = []
    for fragment in fragments:
        if isinstance(fragment, Fault):
            problems.append(Problem(Severity.ERROR, str(fragment), fragment.hint))
            continue
        for path, value in _leaves(fragment.table, ()):
            problem = _problem(schema, fragment, path, value)
            if problem is not None:
                problems.append(problem)
            elif not isinstance(value, Mapping):  # an empty table says nothing
                _set(table, path, value)
                origins[".".join(path)] = fragment.source
    return Merged(build(schema, table, source="settings"), origins, problems)


def _listed(place: Path) -> list[Path]:
    try:
        return sorted(place.iterdir()) if place.is_dir() else []
    except OSError as error:
        raise HostFailure(f"{place}: {error.strerror}") from error


def _leaves(
    table: Mapping[str, object], prefix: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], object]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*prefix, key))
        else:
            yield (*prefix, key), value


def _problem(
    schema: type[object], fragment: Fragment, path: Sequence[str], value: object
) -> Problem | None:
    """What is wrong with one key, judged alone: the others must not suffer from it."""
    alone: dict[str, object] = {}
    _set(alone, path, value)
    try:
        build(schema, alone, source=fragment.source)
    except Unknown as fault:
        return Problem(Severity.WARNING, str(fault), fault.hint)
    except InvalidInput as fault:
        return Problem(Severity.ERROR, str(fault), fault.hint)
    return None


def _set(table: dict[str, object], path: Sequence[str], value: object) -> None:
    for key in path[:-1]:
        inner = table.setdefault(key, {})
        assert isinstance(inner, dict), "only keys that fit the schema are set"
        table = inner
    table[path[-1]] = value
