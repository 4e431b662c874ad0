r"""Values made safe for the kinds of files that are generated.

Each function returns :class:`Escaped`, the only text a template may output, so
that a value without an escape cannot get into a file. None of the
formats has an escape for everything: line breaks and other control characters
are refused in all of them, for in a unit file they would begin a new setting.

A fault never quotes the value: it may be a secret.

Source: systemd.syntax(7), systemd.unit(5) "Specifiers", systemd.exec(5)
``Environment=`` and ``EnvironmentFile=``, os-release(5), TOML 1.0.0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from osmodel.faults import InvalidInput

_PLAIN = re.compile(r"[A-Za-z0-9_./:,=@+-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHELL_SPECIAL = re.compile(r'(["\\$`])')
# Unicode's categories Cc, Cs, Zl and Zp but for the tab: controls, half characters, separators.
# The separators are no line ends for systemd, but they are for Python and editors.
_NOT_IN_A_LINE = re.compile("[\0-\x08\n-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


class Escaped(str):
    """Text that is safe where it is put."""

    __slots__ = ()


def line(value: str) -> Escaped:
    """A whole line, as it is.

    Raises:
        InvalidInput: more than one line, or a character no text file has.
    """
    if _NOT_IN_A_LINE.search(str(value)):  # which raises for a name that a template lacks
        raise InvalidInput("has a line break or another control character")
    return Escaped(value)


def unit_string(value: str) -> Escaped:
    r"""One word of a unit's setting, in quotes: ``"``, ``\`` and ``%`` stay what they are.

    ``$`` needs nothing: it means something in command lines only, which are not
    generated.

    Raises:
        InvalidInput: as :func:`line`.
    """
    quoted = line(value).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return Escaped(f'"{quoted}"')


def unit_value(value: str) -> Escaped:
    """The rest of a line of a setting that takes it as it is, such as ``What=``.

    Raises:
        InvalidInput: as :func:`line`; also blanks at an end, which would be
            lost, and a backslash at the end, which would join the next line.
    """
    if not value or value != value.strip() or value.endswith("\\"):
        raise InvalidInput("is empty, or begins or ends with a blank or a backslash")
    return Escaped(line(value).replace("%", "%%"))


def variable(name: str) -> Escaped:
    """The name of an environment variable.

    Raises:
        InvalidInput: it is none.
    """
    if not _VARIABLE.fullmatch(name):
        raise InvalidInput(f"{name!r} is no name of a variable")
    return Escaped(name)


def env_value(value: str) -> Escaped:
    """The right side of ``NAME=`` in an environment file or os-release.

    Readers that do not know quotes get none as long as the value needs none.

    Raises:
        InvalidInput: as :func:`line`.
    """
    if not value or _PLAIN.fullmatch(value):
        return Escaped(value)
    return quoted_env_value(value)


def quoted_env_value(value: str) -> Escaped:
    """As :func:`env_value`, always in quotes.

    In single quotes if that spares it backslashes, which not every reader takes out.

    Raises:
        InvalidInput: as :func:`line`.
    """
    escaped = _SHELL_SPECIAL.sub(r"\\\1", line(value))
    return Escaped(f"'{value}'" if escaped != value and "'" not in value else f'"{escaped}"')


def toml_value(value: object) -> Escaped:
    """A string, number, truth value or list of them.

    Raises:
        InvalidInput: as :func:`line`.
    """
    if isinstance(value, bool):
        return Escaped("true" if value else "false")
    if isinstance(value, int):
        return Escaped(value)
    if isinstance(value, str):
        # A basic string of TOML has JSON's escapes.
        return Escaped(json.dumps(line(value), ensure_ascii=False))
    if isinstance(value, Sequence):
        return Escaped("[" + ", ".join(map(toml_value, value)) + "]")
    raise TypeError(f"no TOML for {type(value).__name__}")


def encoded(text: str) -> bytes:
    """A text of the document as the bytes of a file.

    Raises:
        InvalidInput: it has half a character, which YAML escapes can make.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"character {error.start + 1} is no character of Unicode") from error
