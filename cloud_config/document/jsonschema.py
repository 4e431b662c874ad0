"""The table of keys as a JSON Schema.

It says what the reader would say: what it refuses, the reader has a finding
for. The reverse does not hold: contents that cannot be decoded, or a path that
is not writable, are beyond a schema.

Source: JSON Schema, draft 2020-12; patterns are ECMA 262.
"""

from __future__ import annotations

from typing import Final

from cloud_config.document.catalogue import DOCUMENT
from cloud_config.document.keys import Fields, Items, Key, Kind, Leaf, Shape

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TYPES: Final[dict[Kind, list[str] | str]] = {
    # Unquoted numbers and booleans are taken as the text they are written as.
    Kind.TEXT: ["string", "number", "boolean"],
    Kind.FLAG: "boolean",
    Kind.WHOLE: "integer",
    Kind.NUMBER: "number",
}

Json = dict[str, object]


def schema() -> Json:
    """A schema of a whole document."""
    return {
        "$schema": _DIALECT,
        "title": "#cloud-config",
        "description": "First-boot configuration; the first line of the file is #cloud-config.",
        **_shape(DOCUMENT),
    }


def _shape(shape: Shape) -> Json:
    match shape:
        case Leaf(kind=kind, pattern=pattern):
            leaf: Json = {"type": _TYPES[kind]}
            if pattern:
                leaf["pattern"] = f"^$|{_ecma(pattern)}"
            return leaf
        case Items(item=item):
            return {"type": "array", "items": _shape(item)}
        case Fields():
            return _fields(shape)


def _fields(shape: Fields) -> Json:
    found: Json = {
        "type": "object",
        "properties": {key.name: _key(key) for key in shape.keys},
        "additionalProperties": False,
    }
    hyphened = [key for key in shape.keys if "_" in key.name]
    if hyphened:
        # A key is completed with underscores and accepted with hyphens.
        found["patternProperties"] = {
            f"^{key.name.replace('_', '[_-]')}$": _shape(key.shape) for key in hyphened
        }
    if shape.required:
        found["required"] = list(shape.required)
    return found


def _key(key: Key) -> Json:
    about: Json = {"description": key.about} if key.about else {}
    if key.deprecated:
        about["deprecated"] = True
    return {**about, **_shape(key.shape)}


def _ecma(pattern: str) -> str:
    return pattern.replace(r"\A", "^").replace(r"\Z", "$")
