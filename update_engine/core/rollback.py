"""Whether the machine may go back to the other slot, and how.

The loader prefers every entry with tries left to one without, so a rollback
marks the running entry bad. It is quarantined as well, or the next check would
bring it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from osmodel.assessment import Assessment
from update_engine.core.entries import KnownEntry, of_root
from update_engine.core.preflight import Blocked


@dataclass(frozen=True, slots=True)
class Rollback:
    """The change that makes the other version boot next.

    Attributes:
        leaves: the running entry, which is to be marked bad.
        version: what boots next.
        root_hash: of what boots next.
    """

    leaves: KnownEntry
    version: str
    root_hash: str


def roll_back(entries: Sequence[KnownEntry], running: str) -> Rollback | Blocked:
    """Decide whether the other slot can take over.

    Args:
        entries: the loader's entries.
        running: root hash of the running system.
    """
    own = of_root(entries, running)
    if len(own) != 1 or own[0].assessment is None:
        return Blocked(f"{len(own)} boot entries carry the running version, expected one")
    good = [
        one
        for one in entries
        if one.root_hash not in ("", running) and one.assessment is Assessment.GOOD
    ]
    if len(good) != 1:
        return Blocked(
            "the other slot holds no good version to go back to",
            hint="there is one once an update was blessed here; see `update-ctl status`",
        )
    return Rollback(own[0], good[0].version, good[0].root_hash)
