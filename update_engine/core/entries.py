"""The entries on the ESP as the engine sees them: name, counter and content.

A name says what the loader will do, the content says which root will run. Only
both together are trusted: a rename by a firmware that lost power can leave a
name nobody wrote, and a copy can leave one content under two names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from osmodel.bootentry import BootEntry, Standing, armed


@dataclass(frozen=True, slots=True)
class KnownEntry:
    """One file in ``EFI/Linux`` that the loader would show.

    Attributes:
        name: file name.
        entry: what the name says, or ``None`` if it is not one of ours.
        version: from the image's own os-release; empty if it is damaged.
        root_hash: from its own command line; empty if it is damaged.
    """

    name: str
    entry: BootEntry | None
    version: str = ""
    root_hash: str = ""

    @property
    def standing(self) -> Standing | None:
        """What the loader thinks of it, as far as the name tells."""
        return self.entry.standing if self.entry else None


@dataclass(frozen=True, slots=True)
class Rename:
    """Give an entry the name it should have."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Take an entry off the ESP."""

    name: str


Repair = Rename | Remove


def of_root(entries: Sequence[KnownEntry], root_hash: str) -> list[KnownEntry]:
    """The entries that would run this root."""
    return [one for one in entries if one.root_hash == root_hash]


def repairs(entries: Sequence[KnownEntry], running: str) -> tuple[Repair, ...]:
    """What to change so that every entry has a name we wrote, and none hangs.

    Args:
        entries: all of them.
        running: root hash of the running system.

    A running entry that lost its name goes back on its last try, so that it has
    to prove itself; anything else without a name of ours would boot uncounted
    and goes. A proven entry that is damaged goes too: the loader counts no try
    of it, so it could only stop the machine. With no entry of the running
    version at all nothing is removed: what is there may be all that boots.
    """
    own = of_root(entries, running)
    if not own:
        return ()
    nameless = own[0] if all(one.entry is None for one in own) else None
    found: list[Repair] = []
    for one in entries:
        if one is nameless:
            found.append(Rename(one.name, armed(one.version, tries=1).filename))
        elif one.entry is None or (not one.root_hash and one.standing is Standing.PROVEN):
            found.append(Remove(one.name))
    return tuple(found)
