"""The text of an authorized_keys file: a block of ours for each origin. Pure.

Lines outside the blocks belong to the user and stay as they are, byte by byte.
"""

from __future__ import annotations

from collections.abc import Sequence


def _begin(origin: str) -> str:
    return f"# begin cloud-config {origin}"


def _end(origin: str) -> str:
    return f"# end cloud-config {origin}"


def with_block(text: str, origin: str, keys: Sequence[str]) -> str:
    """``text`` with exactly these keys of this origin; no keys, no block.

    A block whose end is missing (an editor deleted the line) ends at the first
    line that is neither a key of ours nor a comment of a block.
    """
    before, after = _around(text.splitlines(keepends=True), origin, keys)
    if not keys:
        return "".join((*before, *after))
    lines = (_begin(origin), *(one.strip() for one in keys), _end(origin))
    if before and not before[-1].endswith("\n"):
        before = [*before[:-1], before[-1] + "\n"]
    return "".join((*before, *(f"{line}\n" for line in lines), *after))


def _around(lines: list[str], origin: str, keys: Sequence[str]) -> tuple[list[str], list[str]]:
    """The lines before and behind the block of an origin."""
    bare = [line.rstrip("\r\n") for line in lines]
    if _begin(origin) not in bare:
        return lines, []
    first = bare.index(_begin(origin))
    rest = bare[first + 1 :]
    if _end(origin) in rest:
        behind = first + 1 + rest.index(_end(origin)) + 1
    else:
        ours = {one.strip() for one in keys}
        behind = first + 1
        while behind < len(bare) and bare[behind] in ours:
            behind += 1
    return lines[:first], lines[behind:]
