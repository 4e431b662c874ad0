"""Read TOML into frozen dataclasses and refuse whatever they do not declare.

The dataclass is the schema: its fields are the keys, its annotations the types,
its defaults the defaults. A typo stops the program with the file and the key,
instead of keeping a default on a thousand machines without a word.

Understood annotations: ``bool``, ``int``, ``float``, ``str``, ``Path``, string
enums, ``T | None``, ``tuple[T, ...]``, ``Mapping[str, T]``, nested dataclasses,
and any class with a ``parse(text)`` class method (written as a string). Checks
that need more than the type belong in ``__post_init__``, which raises
``InvalidInput("key: message")``; file and table are put before it here.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import types
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from hostio.files.tomldocument import RefusedKey, Unknown, dotted, parse_toml
from osmodel.faults import HostFailure, InvalidInput

T = TypeVar("T")

_NOUNS = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}


def load(schema: type[T], path: Path) -> T:
    """Read one file; see :func:`parse`.

    Raises:
        InvalidInput: the content, see :func:`parse`, or there is no such file.
        HostFailure: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InvalidInput(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path}: not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}") from error
    return parse(schema, text, source=str(path))


def parse(schema: type[T], text: str, *, source: str) -> T:
    """Turn TOML text into ``schema``.

    Args:
        schema: a frozen dataclass.
        text: the document.
        source: file name for messages.

    Raises:
        InvalidInput: bad syntax, unknown key, wrong type, missing key, or a
            value that the dataclass itself refuses; ``file: key: message``.
    """
    return build(schema, parse_toml(text, source), source=source)


def build(
    schema: type[T],
    table: Mapping[str, object],
    *,
    source: str,
    origins: Mapping[str, str] | None = None,
) -> T:
    """Turn an already parsed (perhaps merged) table into ``schema``; as :func:`parse`.

    Args:
        schema: a frozen dataclass.
        table: the document.
        source: file name for messages.
        origins: the file of each key by dotted path, where it is not ``source``.

    Raises:
        RefusedKey: as ``InvalidInput`` of :func:`parse`.
    """
    return cast("T", _table(schema, table, _Place(source, origins or {})))


def screened(
    schema: type[object], table: Mapping[str, object], *, source: str
) -> tuple[dict[str, object], list[RefusedKey]]:
    """Keep the keys that ``schema`` declares with a value of their type.

    What a dataclass says of several keys together is not asked: the others may
    be in another file.

    Returns:
        The rest of the table, and a refusal for each key left out.
    """
    refusals: list[RefusedKey] = []
    return _screened(schema, table, _Place(source), refusals), refusals


def _screened(
    schema: Any, table: Mapping[str, object], place: _Place, refusals: list[RefusedKey]
) -> dict[str, object]:
    kept: dict[str, object] = {}
    for key, value in table.items():
        try:
            inner, wanted = place.key(key), _wanted(schema, key, place)
            if isinstance(value, Mapping) and _is_table(wanted):
                kept[key] = _screened(wanted, value, inner, refusals)
                continue
            kept[key] = _screened_items(wanted, value, inner, refusals)
            _value(wanted, kept[key], inner)
        except RefusedKey as refusal:
            kept.pop(key, None)
            refusals.append(refusal)
    return kept


def _screened_items(
    wanted: Any, value: object, place: _Place, refusals: list[RefusedKey]
) -> object:
    """The same value; of a list of tables each item without keys of a later version."""
    item = _without_none(get_args(wanted)[0]) if get_origin(wanted) is tuple else None
    if item is None or not isinstance(value, list) or not _is_table(item):
        return value
    return [
        _screened(item, one, place.item(at), refusals) if isinstance(one, Mapping) else one
        for at, one in enumerate(value)
    ]


def _wanted(schema: Any, key: str, place: _Place) -> Any:
    """The annotation of a key of a dataclass or of a mapping, without ``None``."""
    if get_origin(schema) is not None:
        return _without_none(get_args(schema)[1])
    hints = get_type_hints(schema)
    known = {item.name for item in dataclasses.fields(schema) if item.init}
    if key not in known:
        raise place.key(key).unknown("unknown key", _suggest(key, known))
    return _without_none(hints[key])


def _is_table(wanted: Any) -> bool:
    """Whether values of this annotation are merged key by key."""
    origin = get_origin(wanted)
    if origin is not None:
        return isinstance(origin, type) and issubclass(origin, Mapping)
    return dataclasses.is_dataclass(wanted) and not hasattr(wanted, "parse")


@dataclasses.dataclass(frozen=True, slots=True)
class _Place:
    """Where in the document we are, for messages."""

    source: str
    origins: Mapping[str, str] = dataclasses.field(default_factory=dict)
    path: tuple[str | int, ...] = ()

    def key(self, name: str) -> _Place:
        return dataclasses.replace(self, path=(*self.path, name))

    def item(self, index: int) -> _Place:
        return dataclasses.replace(self, path=(*self.path, index))

    def fault(self, message: str, *, hint: str = "") -> RefusedKey:
        # An item of a list is written where the list is.
        whole = itertools.takewhile(lambda part: isinstance(part, str), self.path)
        source = self.origins.get(dotted(whole), self.source)
        return RefusedKey(message, source=source, path=self.path, hint=hint)

    def unknown(self, message: str, hint: str) -> Unknown:
        refusal = self.fault(message)
        return Unknown(message, source=refusal.source, path=self.path, hint=hint)


def _table(schema: type[Any], table: Mapping[str, object], place: _Place) -> object:
    fields = [item for item in dataclasses.fields(schema) if item.init]
    known = {item.name for item in fields}
    values: dict[str, object] = {}
    for key, value in table.items():
        values[key] = _value(_wanted(schema, key, place), value, place.key(key))
    for item in fields:
        if item.name not in values and _is_required(item):
            raise place.key(item.name).fault("missing")
    try:
        return schema(**values)
    except InvalidInput as error:
        key, separator, message = str(error).partition(": ")
        inner = place.key(key) if separator and key in known else None
        raise (inner.fault(message) if inner else place.fault(str(error))) from error


def _suggest(key: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(key, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(names)}"


def _is_required(item: dataclasses.Field[Any]) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def _value(wanted: Any, value: object, place: _Place) -> object:
    origin = get_origin(wanted)
    if origin is tuple:
        return _tuple(get_args(wanted)[0], value, place)
    if origin is not None and issubclass(origin, Mapping):
        named = _expect_table(value, place)
        return {k: _value(_wanted(wanted, k, place), v, place.key(k)) for k, v in named.items()}
    if dataclasses.is_dataclass(wanted) and not hasattr(wanted, "parse"):
        return _table(cast("type[Any]", wanted), _expect_table(value, place), place)
    return _scalar(wanted, value, place)


def _without_none(annotation: Any) -> Any:
    # TOML has no null: an optional key is absent, or has the other type.
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation
    members = [member for member in get_args(annotation) if member is not type(None)]
    assert len(members) == 1, f"{annotation} is not an optional type"
    return members[0]


def _tuple(wanted: Any, value: object, place: _Place) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise place.fault(f"expected a list, got {value!r}")
    one = _without_none(wanted)
    return tuple(_value(one, item, place.item(i)) for i, item in enumerate(value))


def _expect_table(value: object, place: _Place) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise place.fault(f"expected a table, got {value!r}")
    return cast("Mapping[str, object]", value)


def _scalar(wanted: Any, value: object, place: _Place) -> object:
    if wanted is float and type(value) is int:
        return float(value)
    # The exact type: ``true`` is an int in Python, not in a configuration file.
    if wanted in _NOUNS:
        if type(value) is not wanted:
            raise place.fault(f"expected {_NOUNS[wanted]}, got {value!r}")
        return value
    if not isinstance(value, str):
        raise place.fault(f"expected a string, got {value!r}")
    return _from_string(wanted, value, place)


def _from_string(wanted: Any, value: str, place: _Place) -> object:
    if wanted is Path:
        return Path(value)
    if issubclass(wanted, StrEnum):
        names = [member.value for member in wanted]
        if value not in names:
            raise place.unknown(f"unknown value {value!r}", _suggest(value, names))
        return wanted(value)
    try:
        return wanted.parse(value)
    except InvalidInput as error:
        raise place.fault(str(error), hint=error.hint) from error
