"""Settings and programs that lie in drop-in directories, as systemd has them.

A program looks into ``/usr/lib``, ``/etc`` and ``/run`` below its own name. A
file of the same name in a later directory replaces the earlier one, a link to
/dev/null masks it, and what remains counts in the order of the names.

Settings are TOML fragments, merged key by key. Reading them never fails: a
machine may run an older version than the one its settings were written for,
and whatever depends on them at boot must come up all the same. What cannot be
used (an unknown key, a wrong type, a file that cannot be read) is left out and
reported, and what an earlier fragment or the default says stands. ``strict``
turns the first problem into a fault: for build hosts, and for a command that is
asked whether the settings are right.

Source: UAPI.6 Configuration Files Specification, "Drop-ins".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, Self, TypeVar, cast

from hostio.files.config import build, screened
from hostio.files.tomldocument import RefusedKey, Unknown, dotted, parse_toml
from osmodel.faults import Fault, HostFailure, InvalidInput

ROOTS = ("usr/lib", "etc", "run")
"""Below the root directory, from the least to the most important."""

T = TypeVar("T")

_LONGEST = 1 << 20  # bytes of one file


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
        source: its path, for messages and origins.
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

    def strict(self) -> Self:
        """Itself, if nothing had to be left out.

        Raises:
            InvalidInput: the first problem.
        """
        for problem in self.problems:
            raise InvalidInput(problem.text, hint=problem.hint)
        return self

    def lines(self) -> list[tuple[str, object, str]]:
        """Key, value and origin of every setting, in order."""
        table = dataclasses.asdict(cast("Any", self.values))
        found = [(dotted(path), value) for path, value in _leaves(table, ())]
        return [(key, value, self.origins.get(key, "default")) for key, value in found]


def read_drop_ins(
    schema: type[T],
    program: str,
    *,
    root: Path = Path("/"),
    beside: Mapping[str, Fragment | Fault] | None = None,
    above: Sequence[Fragment | Fault] = (),
) -> Merged[T]:
    """Read and merge the settings of a program.

    Args:
        schema: as for :func:`merge`.
        program: name of the directory, e.g. ``update-engine``.
        root: where ``usr/lib``, ``etc`` and ``run`` are.
        beside: further fragments by the names that place them among the files.
        above: fragments that win over all others, the last one most.
    """
    faults: list[Fault] = []
    places = []
    for place in directories(f"{program}/config.d", root):
        try:
            _listed(place)
        except HostFailure as fault:
            faults.append(fault)
        else:
            places.append(place)
    found = {name: _read(path) for name, path in find(places, ".toml").items()}
    found |= beside or {}
    return merge(schema, [*faults, *(found[name] for name in sorted(found)), *above])


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
    return Fragment(str(path), parse_toml(read_text(path), str(path)))


def read_text(path: Path) -> str:
    """A regular file of at most 1 MiB as text.

    Raises:
        InvalidInput: not UTF-8, or longer.
        HostFailure: it cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            raise HostFailure(f"{path}: not a regular file")  # a FIFO would hold us up
        with path.open("rb") as file:
            content = file.read(_LONGEST + 1)
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}") from error
    if len(content) > _LONGEST:
        raise InvalidInput(f"{path}: longer than {_LONGEST} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path}: not UTF-8 at byte {error.start}") from error


def merge(schema: type[T], fragments: Sequence[Fragment | Fault]) -> Merged[T]:
    """Put fragments over each other, key by key; the last one wins.

    Args:
        schema: a frozen dataclass, every key of which has a default; see
            ``hostio.files.config`` for what its annotations may be.
        fragments: as read, or why one could not be.
    """
    problems: list[Problem] = []
    usable: list[Fragment] = []
    for fragment in fragments:
        if isinstance(fragment, Fault):
            problems.append(_problem(fragment))
            continue
        table, refusals = screened(schema, fragment.table, source=fragment.source)
        problems += map(_problem, refusals)
        usable.append(Fragment(fragment.source, table))
    return _settled(schema, usable, problems)


def _read(path: Path) -> Fragment | Fault:
    try:
        return read_fragment(path)
    except Fault as fault:
        return fault


def _listed(place: Path) -> list[Path]:
    try:
        return sorted(place.iterdir()) if place.is_dir() else []
    except OSError as error:
        raise HostFailure(f"{place}: {error.strerror}") from error


def _problem(fault: Fault) -> Problem:
    severity = Severity.WARNING if isinstance(fault, Unknown) else Severity.ERROR
    return Problem(severity, str(fault), fault.hint)


def _settled(schema: type[T], fragments: Sequence[Fragment], problems: list[Problem]) -> Merged[T]:
    """Merge and build; what a dataclass refuses is taken out where it was set, and again."""
    while True:
        table, origins = _sum(fragments)
        try:
            values = build(schema, table, source="settings", origins=origins)
        except RefusedKey as refusal:
            problems.append(_problem(refusal))
            remaining = _without(fragments, refusal)
            assert remaining != fragments, "every key of such a schema has a default"
            fragments = remaining
        else:
            return Merged(values, origins, tuple(problems))


def _without(fragments: Sequence[Fragment], refusal: RefusedKey) -> list[Fragment]:
    """The fragments without the refused key where it was set, or a whole refused table."""
    path = [part for part in refusal.path if isinstance(part, str)]
    holders = [place for place, one in enumerate(fragments) if _has(one.table, path)]
    # Below the one whose value was taken another may hold a better one.
    taken = [place for place in holders if fragments[place].source == refusal.source]
    cut = set(taken or holders)
    return [
        dataclasses.replace(one, table=_cut(one.table, path)) if place in cut else one
        for place, one in enumerate(fragments)
    ]


def _has(table: object, path: Sequence[str]) -> bool:
    for key in path:
        if not isinstance(table, Mapping) or key not in table:
            return False
        table = table[key]
    return True


def _cut(table: Mapping[str, object], path: Sequence[str]) -> Mapping[str, object]:
    if not path:
        return {}
    key, *rest = path
    inner = table[key]
    if rest and isinstance(inner, Mapping):
        return {**table, key: _cut(inner, rest)}
    return {name: value for name, value in table.items() if name != key}


def _sum(fragments: Iterable[Fragment]) -> tuple[dict[str, object], dict[str, str]]:
    """All fragments over each other, and the source of each key."""
    table: dict[str, object] = {}
    origins: dict[str, str] = {}
    for fragment in fragments:
        _put_over(table, fragment.table)
        for path, _ in _leaves(fragment.table, ()):
            origins[dotted(path)] = fragment.source
    return table, origins


def _put_over(table: dict[str, object], added: Mapping[str, object]) -> None:
    for key, value in added.items():
        if isinstance(value, Mapping):
            inner = table.setdefault(key, {})
            assert isinstance(inner, dict), "fragments are screened before they are merged"
            _put_over(inner, value)
        else:
            table[key] = value


def _leaves(
    table: Mapping[str, object], above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every key that is not a table, by its path."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value
