"""Whether the machine may go back to the other slot.

The version that runs is known to boot; the other one was, when it last ran. So
it gets tries like an update, and the machine comes back if it uses them up. The
version it leaves is quarantined, or the next check would bring it back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from osmodel.assessment import Assessment
from update_engine.core.entries import KnownEntry, of_root
from update_engine.core.preflight import Blocked


@dataclass(frozen=True, slots=True)
class Rollback:
    """The change that makes the other version boot next.

    Attributes:
        away: the running entry.
        to: what boots next.
    """

    away: KnownEntry
    to: KnownEntry


def roll_back(
    entries: Sequence[KnownEntry], running: str, blessed: Collection[str]
) -> Rollback | Blocked:
    """Decide whether the other slot can take over.

    Args:
        entries: the loader's entries.
        running: root hash of the running system.
        blessed: root hashes that were blessed on this machine.
    """
    own = of_root(entries, running)
    if len(own) != 1 or own[0].assessment is None:
        return Blocked(f"{len(own)} boot entries carry the running version, expected one")
    others = [one for one in entries if one.root_hash not in ("", running)]
    good = [one for one in others if _was_good(one, blessed)]
    if len(good) != 1:
        return Blocked(
            "the other slot holds no good version to go back to",
            hint="there is one once an update was blessed here; see `update-ctl status`",
        )
    return Rollback(own[0], good[0])


def _was_good(entry: KnownEntry, blessed: Collection[str]) -> bool:
    # With tries: a rollback to it was taken back before the reboot.
    on_trial = entry.assessment is Assessment.INDETERMINATE and entry.root_hash in blessed
    return on_trial or entry.assessment is Assessment.GOOD
