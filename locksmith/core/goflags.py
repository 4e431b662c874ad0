"""Flags as programs in Go read them: ``-group x``, ``--group=x``, ``-debug``.

One dash or two, values behind ``=`` or as the next word, options before the first
word that is none; ``--`` ends them.

Source: Go's package flag.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from osmodel.faults import InvalidInput

_TRUE = {"1", "t", "T", "true", "TRUE", "True"}
_FALSE = {"0", "f", "F", "false", "FALSE", "False"}


@dataclass(frozen=True, slots=True)
class Flag:
    """One option.

    Attributes:
        name: without dashes.
        usage: for the help.
        takes_value: false for a switch.
        default: shown in the help.
    """

    name: str
    usage: str
    takes_value: bool = True
    default: str = ""


Values = Mapping[str, tuple[str, ...]]


def parse(words: Sequence[str], flags: Sequence[Flag]) -> tuple[Values, list[str]]:
    """Read options.

    Returns:
        All values of each option that was given (``true`` or ``false`` for a switch),
        and the words that follow.

    Raises:
        InvalidInput: an unknown option, or one without its value.
    """
    known = {flag.name: flag for flag in flags}
    found: dict[str, list[str]] = {}
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        name, separator, value = word.removeprefix("-").removeprefix("-").partition("=")
        if not name or name[0] == "-":
            raise InvalidInput(f"bad flag syntax: {word}")
        if name not in known:
            raise InvalidInput(f"flag provided but not defined: -{name}")
        if known[name].takes_value:
            if not separator and not rest:
                raise InvalidInput(f"flag needs an argument: -{name}")
            value = value if separator else rest.pop(0)
        else:
            value = _switch(name, value if separator else "true")
        found.setdefault(name, []).append(value)
    return {name: tuple(values) for name, values in found.items()}, rest


def _switch(name: str, value: str) -> str:
    if value not in _TRUE | _FALSE:
        raise InvalidInput(f'invalid boolean value "{value}" for -{name}')
    return "true" if value in _TRUE else "false"


def from_environment(
    environment: Mapping[str, str], prefix: str, flags: Sequence[Flag]
) -> dict[str, tuple[str, ...]]:
    """Values that the environment gives: ``PREFIX_ETCD_CAFILE`` for ``etcd-cafile``.

    Raises:
        InvalidInput: a switch that is neither true nor false.
    """
    found: dict[str, tuple[str, ...]] = {}
    for flag in flags:
        name = f"{prefix}_{flag.name.upper().replace('-', '_')}"
        if value := environment.get(name, ""):
            found[flag.name] = (value if flag.takes_value else _switch(flag.name, value),)
    return found
