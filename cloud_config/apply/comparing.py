"""Looks at a machine's /etc for the sake of :mod:`cloud_config.apply.drift`."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from cloud_config.apply.drift import Difference, differences
from cloud_config.apply.world import ApplyWorld
from cloud_config.planning.record import Record
from hostio.files.guardedtree import Entry, Kind, ReadableTree

_LONGEST = 256 << 10  # bytes of a file shown as text
_FOR_EVERYBODY = 0o004


def compare(world: ApplyWorld) -> tuple[Difference, ...]:
    """Every path of this machine's /etc that is not as in the image, and all files of ours.

    Raises:
        HostFailure: it cannot be looked at; it takes root.
        UntrustedData: the record is damaged.
    """
    text = world.record.read()
    record = Record() if text is None else Record.from_json(text)
    present = dict(world.tree.entries("etc"))
    for path in record.files:
        if path not in present and (entry := world.tree.look(path)) is not None:
            present[path] = entry
    with world.image() as image:
        return differences(image.entries("etc"), present, record)


def as_text(path: str, world: ApplyWorld) -> Iterator[str]:
    """A unified diff from the image's file to what is there.

    What not everybody may read is not shown: diffs end up in tickets.
    """
    with world.image() as image:
        before = _lines(image, path) if path.startswith("/etc/") else []
    after = _lines(world.tree, path)
    if before is None or after is None:
        yield f"--- {path}: not shown, it is not text that everybody may read\n"
        return
    yield from difflib.unified_diff(before, after, f"{path} (image)", f"{path} (machine)")


def _lines(tree: ReadableTree, path: str) -> list[str] | None:
    entry = tree.look(path)
    if entry is None:
        return []
    if entry.kind is Kind.LINK:
        return [f"link to {entry.target}\n"]
    content = tree.read(path, _LONGEST + 1) if _is_for_everybody(entry) else None
    if content is None or len(content) > _LONGEST:
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return [line if line.endswith("\n") else f"{line}\n" for line in text.splitlines(keepends=True)]


def _is_for_everybody(entry: Entry) -> bool:
    return entry.kind is Kind.FILE and bool(entry.mode & _FOR_EVERYBODY)
