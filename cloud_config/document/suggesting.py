"""What the writer of an unknown key may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from cloud_config.document.catalogue import DOCUMENT
from cloud_config.document.keys import Fields, Leaf, Shape

_FEW = 5  # letters, up to which one wrong one makes a word another
_LONGEST = 40  # letters of a key; longer ones are no slip of a finger


def advice(name: str, shape: Fields, path: str = "") -> str:
    """Words in brackets to put after "unrecognized key", or nothing.

    A wrong suggestion is worse than none: only slips of a finger are taken for
    a key, and a single value of another
    place only if it has its name alone.

    Args:
        name: the key, with underscores.
        shape: the mapping it was found in.
        path: that mapping's own key.
    """
    foreign = dict(shape.foreign).get(name)
    if foreign is not None:
        return f" ({foreign})"
    if near := _nearest(name, [key.name for key in shape.keys]):
        return f' (did you mean "{near}"?)'
    if path and DOCUMENT.named(name):
        return f' (did you mean "{name}" at the top of the document?)'
    place = _elsewhere().get(name, "") if path in {"", "coreos"} else ""
    return f' (did you mean "{place}"?)' if place else ""


def _nearest(name: str, names: Iterable[str]) -> str:
    """The name that is written like this one but for a slip or two; empty if none is."""
    if len(name) > _LONGEST:
        return ""
    slips = [(distance(name, other), other) for other in names]
    near = [(count, other) for count, other in slips if count <= (1 if len(other) <= _FEW else 2)]
    return min(near)[1] if near else ""


def distance(first: str, second: str) -> int:
    """How many letters are wrong, missing, too many or exchanged with their neighbour.

    Source: optimal string alignment distance.
    """
    before, above = list(range(len(second) + 1)), list(range(len(second) + 1))
    for row, letter in enumerate(first, 1):
        here = [row]
        for column, other in enumerate(second, 1):
            cost = above[column - 1] + (letter != other)
            cost = min(cost, above[column] + 1, here[column - 1] + 1)
            swapped = (
                row > 1
                and column > 1
                and (letter, first[row - 2])
                == (
                    second[column - 2],
                    other,
                )
            )
            here.append(min(cost, before[column - 2] + 1) if swapped else cost)
        before, above = above, here
    return above[-1]


@cache
def _elsewhere() -> dict[str, str]:
    """Paths of keys below others, by the last part of their name, if that says which."""
    found: dict[str, list[tuple[str, Shape]]] = {}

    def walk(shape: Shape, path: str) -> None:
        if isinstance(shape, Fields):
            for key in shape.keys:
                below = f"{path}.{key.name}" if path else key.name
                found.setdefault(key.name, []).append((below, key.shape))
                walk(key.shape, below)

    walk(DOCUMENT, "")
    return {
        name: places[0][0]
        for name, places in found.items()
        if len(places) == 1 or not isinstance(places[0][1], Leaf)
    }
