"""Directories named by the digest of what they were made from.

An entry is made beside its place and renamed into it, so what has the final
name is whole. Two builds that want the same entry wait for each other: one
makes it. Entries that were not used for a while are dropped by :meth:`Cache.prune`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from builder.removal import remove_tree
from hostio.files.lock import locked_in_turn

_IN_USE = 3600.0  # seconds

Make = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """What stays in the cache.

    Attributes:
        oldest: seconds since the last use.
        most: entries of one name; those of the last hour stay in any case.
    """

    oldest: float
    most: int


@dataclass(frozen=True, slots=True)
class Cache:
    """The builder's cache.

    Attributes:
        directory: usually ``~/.cache/twinkeel``.
    """

    directory: Path

    def place(self, kind: str, key: str) -> Path:
        """Where an entry is, or would be."""
        return self.directory / kind / key

    def ready(self, kind: str, key: str) -> bool:
        """Whether the entry is there; counts as a use of it."""
        try:
            os.utime(self.place(kind, key))
        except FileNotFoundError:
            return False
        return True

    def entry(self, kind: str, key: str, make: Make) -> Path:
        """The directory ``key``, made by ``make`` if it is not there.

        Args:
            kind: folder of the cache.
            key: digest of everything that ``make`` depends on.
            make: fills the empty directory it is given; whatever it raises
                leaves no entry behind.
        """
        place = self.place(kind, key)
        with locked_in_turn(place.with_name(f".{key}.lock")):
            if self.ready(kind, key):
                return place
            draft = place.with_name(f".{key}.draft")
            remove_tree(draft)
            draft.mkdir()
            # Neither the umask nor a set-group-id bit of the parent may show
            # in a root tree.
            draft.chmod(0o755)
            try:
                make(draft)
            except BaseException:
                remove_tree(draft)
                raise
            draft.rename(place)
            os.utime(place)
        return place

    def prune(self, kind: str, limits: Limits, now: float) -> tuple[Path, ...]:
        """Drop entries of one kind that were not used for long, or are too many.

        Args:
            kind: folder of the cache.
            limits: what may stay.
            now: seconds since 1970.

        Returns:
            The entries that were dropped.
        """
        if not (self.directory / kind).is_dir():
            return ()
        uses = {path: path.lstat().st_mtime for path in (self.directory / kind).iterdir()}
        old = {path for path, used in uses.items() if now - used > limits.oldest}
        for rest in _families(uses).values():
            extra = sorted(rest, key=lambda path: -uses[path])[limits.most :]
            # Another build may still be reading what it used a moment ago.
            old |= {path for path in extra if now - uses[path] > _IN_USE}
        for path in sorted(old):
            _drop(path)
        return tuple(sorted(old))


def _families(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Entries by the part of their name before the digest."""
    families: dict[str, list[Path]] = {}
    for path in paths:
        if not path.name.startswith("."):
            families.setdefault(path.name.rpartition("-")[0], []).append(path)
    return families


def _drop(path: Path) -> None:
    if path.name.startswith(".") or not path.is_dir():
        remove_tree(path)
        return
    lock = path.with_name(f".{path.name}.lock")
    with locked_in_turn(lock):
        # Renamed first: a removal that is interrupted leaves no half entry.
        doomed = path.with_name(f".{path.name}.draft")
        path.rename(doomed)
        remove_tree(doomed)
    lock.unlink(missing_ok=True)
