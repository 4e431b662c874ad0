"""What the writer of an unknown key may have meant."""

from __future__ import annotations

import difflib
from functools import cache

from cloud_config.document.catalogue import DOCUMENT
from cloud_config.document.keys import Fields, Items, Shape

# A key that is not among its neighbours is looked for elsewhere in the table.
_NEAR = 0.6


def advice(name: str, shape: Fields, path: str = "") -> str:
    """Words in brackets to put after "unrecognized key", or nothing.

    Args:
        name: the key, with underscores.
        shape: the mapping it was found in.
        path: that mapping's own key.
    """
    foreign = dict(shape.foreign).get(name)
    if foreign is not None:
        return f" (a key of cloud-init; {foreign})"
    near = difflib.get_close_matches(name, [key.name for key in shape.keys], n=1, cutoff=_NEAR)
    if near:
        return f' (did you mean "{near[0]}"?)'
    if path and DOCUMENT.named(name):
        return f' (did you mean "{name}" at the top of the document?)'
    places = _places().get(name, ()) if path in {"", "coreos"} else ()
    return f' (did you mean "{places[0]}"?)' if places else ""


@cache
def _places() -> dict[str, tuple[str, ...]]:
    """Paths of the tables and lists of the document by the last part of their name."""
    found: dict[str, tuple[str, ...]] = {}

    def walk(shape: Shape, path: str) -> None:
        if isinstance(shape, Fields):
            for key in shape.keys:
                below = f"{path}.{key.name}" if path else key.name
                found[key.name] = (*found.get(key.name, ()), below)
                if isinstance(key.shape, Fields | Items):
                    walk(key.shape, below)

    walk(DOCUMENT, "")
    return found
