"""Boot entries as the engine sees them: what the loader does, and what they hold.

The loader's bookkeeping says what it will do with an entry, the content says
which root will run. Only both together are trusted: a firmware that lost power
can leave bookkeeping that no program wrote, and a copy can leave one content twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from osmodel.assessment import Assessment


@dataclass(frozen=True, slots=True)
class KnownEntry:
    """One kernel image that the loader may start.

    Attributes:
        name: for people, and for the boot control that handed the entry out.
        assessment: what the loader does with it; ``None`` if nothing of ours says.
        version: from the image's own os-release; empty if it is damaged.
        root_hash: from its own command line; empty if it is damaged.
        promised: version the loader's bookkeeping gives it; empty if none.
        slot: slot the loader's bookkeeping gives it, ``a`` or ``b``; empty if none.
    """

    name: str
    assessment: Assessment | None
    version: str = ""
    root_hash: str = ""
    promised: str = ""
    slot: str = ""


@dataclass(frozen=True, slots=True)
class Readmit:
    """Let an entry boot that the loader lost track of, on its last try."""

    entry: KnownEntry


@dataclass(frozen=True, slots=True)
class Remove:
    """Take an entry away."""

    entry: KnownEntry


Repair = Readmit | Remove


def of_root(entries: Sequence[KnownEntry], root_hash: str) -> list[KnownEntry]:
    """The entries that would run this root."""
    return [one for one in entries if one.root_hash == root_hash]


def repairs(entries: Sequence[KnownEntry], running: str) -> tuple[Repair, ...]:
    """What to change so that every entry has an assessment we wrote, and none hangs.

    Args:
        entries: all of them.
        running: root hash of the running system.

    A running entry that lost its assessment goes back on its last try, so that it
    has to prove itself; anything else without one would boot uncounted and
    goes. A good entry that is damaged goes too: the loader counts no try of
    it, so it could only stop the machine. With no entry of the running version
    at all nothing is removed: what is there may be all that boots.
    """
    own = of_root(entries, running)
    if not own:
        return ()
    lost = own[0] if all(one.assessment is None for one in own) else None
    found: list[Repair] = []
    for one in entries:
        if one is lost:
            found.append(Readmit(one))
        elif one.assessment is None or (not one.root_hash and one.assessment is Assessment.GOOD):
            found.append(Remove(one))
    return tuple(found)
