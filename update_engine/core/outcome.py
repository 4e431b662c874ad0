"""What the last boots of this machine mean: came up, fell back, still on trial.

Compared are three records that no failure can falsify together: what was armed
(state.json), what runs (the kernel command line), and what the loader thinks of
the entries (their names). The boot log and the failed check only explain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from osmodel.assessment import Assessment
from osmodel.bootlog import Boot, BootLog, Stage
from update_engine.core.enginestate import EngineState, FailedCheck, Target
from update_engine.core.entries import KnownEntry, of_root

_KEPT_BOOTS = 5  # failed boots whose journals are worth keeping


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
    """A version that was marked bad on this machine.

    Attributes:
        version: as text; empty if nothing tells it.
        root_hash: 64 hex digits.
        reason: one sentence without full stop.
        boot_ids: its failed boots, oldest first.
    """

    version: str
    root_hash: str
    reason: str
    boot_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """The outcome, and every version to quarantine because of it."""

    outcome: Outcome
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is compared.

    Attributes:
        state: what the engine remembers.
        boot_log: how far each boot came.
        entries: the loader's entries.
        running: root hash of the running system.
        boot_id: the kernel's id of this boot.
    """

    state: EngineState
    boot_log: BootLog
    entries: Sequence[KnownEntry]
    running: str
    boot_id: str


def assess(evidence: Evidence) -> Findings:
    """Say what happened since something was armed."""
    outcome = _outcome(evidence)
    left = _left(evidence)
    marked_bad = {
        one.root_hash: one.version
        for one in evidence.entries
        if (one.assessment is Assessment.BAD or one.root_hash in left)
        and one.root_hash not in ("", evidence.running)
        and evidence.state.quarantine_of(one.root_hash) is None
    }
    armed = evidence.state.armed
    roots = set(marked_bad)
    if outcome is Outcome.FELL_BACK:
        assert armed is not None
        # A kernel image that was damaged names another root, or none at all: the
        # armed record says which release it was.
        roots |= {one.root_hash for one in _entries_of(armed, evidence)}
        marked_bad[armed.root_hash] = armed.version
    failures = [
        _failure(version, root_hash, roots | {root_hash}, evidence)
        for root_hash, version in marked_bad.items()
    ]
    return Findings(outcome, tuple(failures))


def _left(evidence: Evidence) -> set[str]:
    """Roots that the initrd left because they kept failing, and that never came up since."""
    left: set[str] = set()
    for one in evidence.boot_log.marked_bad:
        later = False
        for boot in evidence.boot_log.boots:
            later = later or boot.boot_id == one.boot_id
            if later and boot.root_hash == one.root_hash and boot.stage is Stage.STABLE:
                break
        else:
            left.add(one.root_hash)
    return left


def _outcome(evidence: Evidence) -> Outcome:
    armed = evidence.state.armed
    if armed is None:
        return Outcome.NOTHING
    runs = armed.root_hash == evidence.running
    own = of_root(evidence.entries, evidence.running) if runs else _entries_of(armed, evidence)
    return outcome_of([one.assessment for one in own], runs=runs)


def outcome_of(assessments: Sequence[Assessment | None], *, runs: bool) -> Outcome:
    """What became of an armed version.

    Args:
        assessments: of its entries.
        runs: whether it is the one that runs.
    """
    if runs:
        # Bad and running is the last try; it can still be blessed. Several
        # entries of one version prove nothing about it.
        return Outcome.CAME_UP if list(assessments) == [Assessment.GOOD] else Outcome.ON_TRIAL
    if not assessments or Assessment.GOOD in assessments:
        # Good and not chosen: the power failed before it was switched to.
        return Outcome.NOT_ARMED
    if all(one is Assessment.BAD for one in assessments):
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
    boots = [
        boot
        for boot in evidence.boot_log.boots
        if boot.root_hash in roots and boot.boot_id != evidence.boot_id
    ]
    stable = [place for place, boot in enumerate(boots) if boot.stage is Stage.STABLE]
    failed = boots[stable[-1] + 1 :] if stable else boots
    reason = _reason(failed, evidence.state.failed_check, root_hash)
    if any(one.root_hash == root_hash for one in evidence.boot_log.marked_bad):
        reason = f"it was good, then kept failing: {reason}"
    boot_ids = tuple(boot.boot_id for boot in failed[-_KEPT_BOOTS:])
    return Failure(version, root_hash, reason, boot_ids)


def _reason(boots: Sequence[Boot], check: FailedCheck | None, root_hash: str) -> str:
    """The furthest point the failed boots came to, in words."""
    if check is not None and check.root_hash == root_hash:
        detail = f": {check.message}" if check.message else ""
        return f"health check {check.check} failed{detail}"
    stages = {boot.stage for boot in boots}
    if not stages:
        return "its kernel image could not be loaded, or the kernel stopped before its initrd"
    count = f"in {len(boots)} boots" if len(boots) > 1 else "in its one boot"
    if stages == {Stage.INITRD}:
        return f"it never reached userspace {count}: its root is damaged or missing, or it panicked"
    if stages <= {Stage.INITRD, Stage.USERSPACE}:
        return f"it stopped before its health was known {count}: a panic, a hang or a power cut"
    return f"it came up {count} but did not stay up"
