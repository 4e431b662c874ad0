"""What the last starts of this machine mean: came up, fell back, still on trial.

Compared are three records that no failure can falsify together: what was armed
(state.json), what runs (the kernel command line), and what the loader thinks of
the entries (their names). The start ledger and the failed check only explain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from osmodel.assessment import Standing
from osmodel.bootlog import Ledger, Stage, Start
from update_engine.core.enginestate import EngineState, FailedCheck, Target
from update_engine.core.entries import KnownEntry, of_root

_KEPT_STARTS = 5  # failed starts whose journals are worth keeping


class Outcome(StrEnum):
    """What became of the armed version."""

    NOTHING = "nothing"
    WAITING = "waiting"
    ON_TRIAL = "on-trial"
    CAME_UP = "came-up"
    FELL_BACK = "fell-back"
    NOT_ARMED = "not-armed"


@dataclass(frozen=True, slots=True)
class Failure:
    """A version this machine gave up.

    Attributes:
        version: as text; empty if nothing tells it.
        root_hash: 64 hex digits.
        reason: one sentence without full stop.
        boot_ids: its failed starts, oldest first.
    """

    version: str
    root_hash: str
    reason: str
    boot_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reckoning:
    """The outcome, and every version to quarantine because of it."""

    outcome: Outcome
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the reckoning looks at.

    Attributes:
        state: what the engine remembers.
        ledger: how far each start came.
        entries: the loader's entries.
        running: root hash of the running system.
        boot_id: the kernel's id of this start.
    """

    state: EngineState
    ledger: Ledger
    entries: Sequence[KnownEntry]
    running: str
    boot_id: str


def reckon(evidence: Evidence) -> Reckoning:
    """Say what happened since something was armed."""
    outcome = _outcome(evidence)
    given_up = {
        one.root_hash: one.version
        for one in evidence.entries
        if one.standing is Standing.EXHAUSTED
        and one.root_hash not in ("", evidence.running)
        and evidence.state.quarantine_of(one.root_hash) is None
    }
    armed = evidence.state.armed
    roots = set(given_up)
    if outcome is Outcome.FELL_BACK:
        assert armed is not None
        # A kernel image that was damaged names another root, or none at all: the
        # armed record says which release it was.
        roots |= {one.root_hash for one in _entries_of(armed, evidence)}
        given_up[armed.root_hash] = armed.version
    failures = [
        _failure(version, root_hash, roots | {root_hash}, evidence)
        for root_hash, version in given_up.items()
    ]
    return Reckoning(outcome, tuple(failures))


def _outcome(evidence: Evidence) -> Outcome:
    armed = evidence.state.armed
    if armed is None:
        return Outcome.NOTHING
    if armed.root_hash == evidence.running:
        own = of_root(evidence.entries, evidence.running)
        proven = [one for one in own if one.standing is Standing.PROVEN]
        # Exhausted and running is the last try; it can still be blessed.
        return Outcome.CAME_UP if proven and len(own) == 1 else Outcome.ON_TRIAL
    entries = _entries_of(armed, evidence)
    if not entries:
        return Outcome.NOT_ARMED
    if all(one.standing is Standing.EXHAUSTED for one in entries):
        return Outcome.FELL_BACK
    return Outcome.WAITING


def _entries_of(armed: Target, evidence: Evidence) -> list[KnownEntry]:
    """The entries of the armed version, by content or by what their names promise."""
    return [
        one
        for one in evidence.entries
        if one.root_hash == armed.root_hash
        or one.promised == armed.version
        or one.slot == armed.slot
    ]


def _failure(version: str, root_hash: str, roots: set[str], evidence: Evidence) -> Failure:
    starts = [
        start
        for start in evidence.ledger.starts
        if start.root_hash in roots and start.boot_id != evidence.boot_id
    ]
    settled = [place for place, start in enumerate(starts) if start.stage is Stage.SETTLED]
    failed = starts[settled[-1] + 1 :] if settled else starts
    reason = _reason(failed, evidence.state.failed_check, root_hash)
    if any(one.root_hash == root_hash for one in evidence.ledger.unblessed):
        reason = f"it was proven, then kept failing: {reason}"
    boot_ids = tuple(start.boot_id for start in failed[-_KEPT_STARTS:])
    return Failure(version, root_hash, reason, boot_ids)


def _reason(starts: Sequence[Start], check: FailedCheck | None, root_hash: str) -> str:
    """The furthest point the failed starts came to, in words."""
    if check is not None and check.root_hash == root_hash:
        detail = f": {check.message}" if check.message else ""
        return f"health check {check.check} failed{detail}"
    stages = {start.stage for start in starts}
    if not stages:
        return "its kernel image could not be loaded, or the kernel stopped before its initrd"
    count = f"in {len(starts)} starts" if len(starts) > 1 else "in its one start"
    if stages == {Stage.INITRD}:
        return f"it never reached userspace {count}: its root is damaged or missing, or it panicked"
    if stages <= {Stage.INITRD, Stage.USERSPACE}:
        return f"it stopped before its health was known {count}: a panic, a hang or a power cut"
    return f"it came up {count} but did not stay up"
