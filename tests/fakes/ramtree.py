"""Files below the writable trees, in memory."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from hostio.files.guardedtree import ROOT, Entry, Kind, Owner, parts_of
from osmodel.faults import HostFailure
from tests.fakes.ramdisk import Power


@dataclass(frozen=True)
class Leaf:
    """One file, link or directory."""

    kind: Kind = Kind.FILE
    content: bytes = b""
    target: str = ""
    mode: int = 0o644
    owner: Owner = ROOT

    def entry(self) -> Entry:
        digest = hashlib.sha256(self.content).hexdigest() if self.kind is Kind.FILE else ""
        return Entry(self.kind, digest, self.target, self.mode, self.owner)


class RamTree:
    """The fake of ``hostio.files.guardedtree.Tree``; a write happens whole or not at all.

    Args:
        leaves: what there is, by path.
        power: fails at a write.
    """

    def __init__(
        self, leaves: Mapping[str, Leaf] | None = None, *, power: Power | None = None
    ) -> None:
        self.leaves = dict(leaves or {})
        self.refuses: set[str] = set()
        self.writes: list[str] = []
        self._power = power or Power()

    def look(self, path: str) -> Entry | None:
        parts_of(path)
        found = self.leaves.get(path)
        return found.entry() if found else None

    def read(self, path: str, limit: int) -> bytes | None:
        parts_of(path)
        found = self.leaves.get(path)
        return found.content[:limit] if found and found.kind is Kind.FILE else None

    def entries(self, top: str) -> Mapping[str, Entry]:
        return {
            path: leaf.entry()
            for path, leaf in self.leaves.items()
            if path.startswith(f"/{top}/") and leaf.kind is not Kind.DIRECTORY
        }

    def put(self, path: str, content: bytes, mode: int, owner: Owner) -> None:
        self._write(path, Leaf(content=content, mode=mode, owner=owner))

    def link(self, path: str, target: str) -> None:
        self._write(path, Leaf(Kind.LINK, target=target, mode=0o777))

    def make_directory(self, path: str, mode: int, owner: Owner) -> None:
        if path not in self.leaves:
            self._write(path, Leaf(Kind.DIRECTORY, mode=mode, owner=owner))

    def remove(self, path: str) -> None:
        parts_of(path)
        self._power.use()
        self.leaves.pop(path, None)
        self.writes.append(path)

    def _write(self, path: str, leaf: Leaf) -> None:
        parts_of(path)
        if path in self.refuses:
            raise HostFailure(f"{path}: No space left on device")
        self._power.use()
        self.leaves[path] = leaf
        self.writes.append(path)


def only_files(tree: RamTree, *tops: str) -> dict[str, Leaf]:
    """The files and links below these directories, without what programs keep for themselves."""
    return {
        path: replace(leaf)
        for path, leaf in tree.leaves.items()
        if path.startswith(tops) and leaf.kind is not Kind.DIRECTORY
    }


@contextmanager
def layer(tree: RamTree) -> Iterator[RamTree]:
    """The fake of ``hostio.files.imagelayer.image_layer``."""
    yield tree
