"""What a YAML scalar is: text, number, boolean or nothing.

The rules are those of the library coreos-cloudinit was built with, which differ
from PyYAML's: ``y`` and ``n`` are booleans, a date is text.

Source: go-yaml version 1, resolve.go; YAML 1.1 types.
"""

from __future__ import annotations

import base64
import binascii
import re
from enum import Enum, auto

from cloud_config.document.yamlnodes import Scalar

_PREFIX = "tag:yaml.org,2002:"
_NOTHING = {"", "~", "null", "Null", "NULL"}
_TRUE = {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}
_FALSE = {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}
_WHOLE = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0b[01]+|0o?[0-7]*|[1-9][0-9]{0,18})\Z")
_NUMBER = re.compile(
    r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?\Z|[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z"
)
_LONGEST_NUMBER = 32


class Resolved(Enum):
    """What a scalar turns out to be."""

    NOTHING = auto()
    FLAG = auto()
    WHOLE = auto()
    NUMBER = auto()
    TEXT = auto()


def resolve(scalar: Scalar) -> Resolved:
    """What the scalar is by itself, whatever it should be."""
    if scalar.tag.startswith(_PREFIX):
        match scalar.tag.removeprefix(_PREFIX):
            case "bool" | "int" | "float" | "null":
                return _plain(scalar.text)
            case _:
                return Resolved.TEXT
    if scalar.tag or not scalar.plain:
        return Resolved.TEXT
    return _plain(scalar.text)


def _plain(text: str) -> Resolved:
    if text in _NOTHING:
        return Resolved.NOTHING
    if text in _TRUE or text in _FALSE:
        return Resolved.FLAG
    number = text.replace("_", "") if text[0] in "+-0123456789." else ""
    if not number or len(number) > _LONGEST_NUMBER:
        return Resolved.TEXT
    if _WHOLE.match(number):
        return Resolved.WHOLE
    return Resolved.NUMBER if _NUMBER.match(number) else Resolved.TEXT


def is_true(text: str) -> bool:
    """The value of a scalar that is a boolean."""
    return text in _TRUE


def whole(text: str) -> int:
    """The value of a scalar that is a whole number; a leading zero means octal."""
    digits = text.replace("_", "")
    sign, digits = (-1, digits[1:]) if digits[0] == "-" else (1, digits.removeprefix("+"))
    if digits[:1] == "0" and digits[1:].isdigit():
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def binary(scalar: Scalar) -> bytes | None:
    """The bytes of a scalar; ``None`` if it is tagged ``!!binary`` and is no base64."""
    if scalar.tag != f"{_PREFIX}binary":
        return scalar.text.encode("utf-8", "surrogatepass")
    return unbase64(scalar.text.encode("utf-8", "surrogatepass").translate(None, b" \t"))


def unbase64(packed: bytes) -> bytes | None:
    """Strict base64, line breaks apart; ``None`` for anything else."""
    try:
        return base64.b64decode(packed.translate(None, b"\r\n"), validate=True)
    except (binascii.Error, ValueError):
        return None
