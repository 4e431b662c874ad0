"""Command line flags as Go's ``flag`` package takes them.

One or two hyphens, ``-name=value`` or ``-name value``; a boolean takes its
value only after ``=``. The first argument that is no flag ends them.

Source: Go, package flag, "Command line flag syntax".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from osmodel.faults import InvalidInput

_TRUE = {"1", "t", "T", "TRUE", "true", "True"}
_FALSE = {"0", "f", "F", "FALSE", "false", "False"}


def parsed(arguments: Sequence[str], flags: Mapping[str, bool]) -> tuple[dict[str, str], list[str]]:
    """The flags that are set, with their values, and the arguments behind them.

    The value of a boolean is ``true`` or ``false``.

    Args:
        arguments: without the program's name.
        flags: the known names, and whether each is a boolean.

    Raises:
        InvalidInput: an unknown flag, or one without its value.
    """
    found: dict[str, str] = {}
    waiting = list(arguments)
    while waiting and waiting[0] != "-" and waiting[0].startswith("-"):
        argument = waiting.pop(0)
        if argument == "--":
            break
        name, given, value = argument.removeprefix("-").removeprefix("-").partition("=")
        if name not in flags:
            raise InvalidInput(f"flag provided but not defined: -{name}")
        if flags[name]:
            value = value if given else "true"
            if value not in _TRUE | _FALSE:
                raise InvalidInput(f'invalid boolean value "{value}" for -{name}')
            found[name] = "true" if value in _TRUE else "false"
        elif given:
            found[name] = value
        else:
            if not waiting:
                raise InvalidInput(f"flag needs an argument: -{name}")
            found[name] = waiting.pop(0)
    return found, waiting
