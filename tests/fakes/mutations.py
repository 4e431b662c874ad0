"""Structure-aware damage to JSON: a value somewhere replaced, removed, doubled or renamed."""

from __future__ import annotations

import copy
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Path = tuple[str | int, ...]


def _pem(der: bytes) -> str:
    return f"-----BEGIN PUBLIC KEY-----\n{b64encode(der).decode()}\n-----END PUBLIC KEY-----\n"


# A key that loads and can verify nothing, and one on a curve no library here has:
# the last byte of the identifier of P-256 made that of prime239v2.
X25519 = _pem(bytes.fromhex("302a300506032b656e032100") + bytes(range(32)))
UNKNOWN_CURVE = _pem(
    bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030105034200") + b"\4" + bytes(64)
)

ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    2**64,
    10**400,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "\0",
    "../../x",
    "é\ud800",
    "9" * 300,
    "2026-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    X25519,
    UNKNOWN_CURVE,
    [],
    {},
    [[]],
    {"": None},
    ["x"] * 50,
    "ed25519",
    "rsa",
    "ecdsa",
    "sphincs-shake-128s",
    "gpg",
]


def paths_of(document: Any, here: Path = ()) -> Iterator[Path]:
    """The way to every value."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield (*here, key)
            yield from paths_of(value, (*here, key))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield (*here, index)
            yield from paths_of(value, (*here, index))


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """``document`` with one to three changes."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        ways = list(paths_of(changed))
        if ways:
            _change(draw, changed, draw(st.sampled_from(ways)), ways)
    return changed


def _change(draw: st.DrawFn, document: Any, way: Path, ways: list[Path]) -> None:
    *above, last = way
    outer = document
    for key in above:
        outer = outer[key]
    kind = draw(st.sampled_from(["replace", "remove", "copy", "rename", "double"]))
    if kind == "replace":
        outer[last] = copy.deepcopy(draw(st.sampled_from(ODD)))
    elif kind == "remove":
        del outer[last]
    elif kind == "copy":
        source: Any = document
        for key in draw(st.sampled_from(ways)):
            source = source[key]
        outer[last] = copy.deepcopy(source)
    elif kind == "rename" and isinstance(outer, dict):
        outer[draw(st.sampled_from(["", "x", "\0", "root", "targets.json"]))] = outer.pop(last)
    elif kind == "double" and isinstance(outer, list):
        outer.append(copy.deepcopy(outer[int(last)]))
