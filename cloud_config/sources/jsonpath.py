"""Look into nested JSON of other programs, without believing its shape. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def at(tree: object, *steps: str | int) -> object:
    """The value reached by keys and indexes, or ``None`` where there is no such step."""
    for step in steps:
        if isinstance(step, str) and isinstance(tree, Mapping):
            tree = tree.get(step)
        elif isinstance(step, int) and isinstance(tree, list) and step < len(tree):
            tree = tree[step]
        else:
            return None
    return tree


def text_at(tree: object, *steps: str | int) -> str:
    """The text or number there as text; empty for anything else."""
    found = at(tree, *steps)
    if isinstance(found, bool) or not isinstance(found, str | int):
        return ""
    return str(found).strip()


def items_at(tree: object, *steps: str | int) -> Sequence[object]:
    """The list there; empty for anything else."""
    found = at(tree, *steps)
    return found if isinstance(found, list) else ()
