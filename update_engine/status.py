"""What a machine says about itself: one value for people, programs and D-Bus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from osmodel.assessment import Assessment
from update_engine.core.enginestate import EngineState, Problem, Quarantined, Run, Target
from update_engine.core.entries import KnownEntry
from update_engine.core.health import CheckResult, Health
from update_engine.world import EngineWorld

IDLE = "UPDATE_STATUS_IDLE"
NEED_REBOOT = "UPDATE_STATUS_UPDATED_NEED_REBOOT"


@dataclass(frozen=True, slots=True)
class Passive:
    """What the other slot would boot."""

    version: str
    assessment: str


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """One boot entry, as text."""

    name: str
    version: str
    root_hash: str
    assessment: str


@dataclass(frozen=True, slots=True)
class Status:
    """Everything ``update-ctl status --json`` prints, field by field.

    Attributes:
        image: image that runs.
        architecture: of this machine.
        platform: how it boots.
        version: that runs.
        slot: ``a`` or ``b``; empty if unknown.
        root_hash: of the running root.
        health: ``pending``, ``healthy`` or ``unhealthy``.
        failed_check: the health check that failed, if unhealthy.
        operation: an ``UPDATE_STATUS_...`` name, as on D-Bus.
        new_version: being installed or armed; empty if none is.
        new_size: bytes of its payload.
        progress: 0.0 to 1.0.
        last_checked: seconds since 1970; 0 for never.
        waiting_for: ``reboot``, ``health-checks`` or empty.
        passive: the other slot's entry, if it has one.
        entries: all of them.
        quarantined: versions that failed here.
        last_error: of the last run.
        last_run: how the last run ended that did not fail; ``None`` if none did.
        floor: version below which no update goes.
        settings_problems: what could not be used of the settings, a line each.
    """

    image: str
    architecture: str
    platform: str
    version: str
    slot: str
    root_hash: str
    health: str
    failed_check: str
    operation: str
    new_version: str
    new_size: int
    progress: float
    last_checked: int
    waiting_for: str
    passive: Passive | None
    entries: tuple[ListedEntry, ...]
    quarantined: tuple[Quarantined, ...]
    last_error: Problem | None
    last_run: Run | None
    floor: str
    settings_problems: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Plain values, in the order of the fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Activity:
    """The five values that D-Bus knows too."""

    operation: str = IDLE
    version: str = ""
    size: int = 0
    progress: float = 0.0


def status_of(world: EngineWorld) -> Status:
    """Look at everything that is stored; mounts nothing, takes no lock."""
    me, store = world.machine, world.store
    state, known, verdict = store.state().as_of(world.now()), store.entries(), store.verdict()
    activity = _activity(world, state, known)
    return Status(
        image=me.image,
        architecture=me.architecture,
        platform=me.platform,
        version=str(me.version),
        slot=world.slot,
        root_hash=me.root_hash,
        health=verdict.health.value,
        failed_check=_described(verdict.failed),
        operation=activity.operation,
        new_version=activity.version,
        new_size=activity.size,
        progress=activity.progress,
        last_checked=state.last_checked,
        waiting_for=_waiting_for(activity, verdict.health),
        passive=_passive(known, me.root_hash),
        entries=tuple(map(_listed, known)),
        quarantined=state.quarantined,
        last_error=store.last_problem(),
        last_run=state.last_run,
        floor=state.floor,
        settings_problems=tuple(f"{one.severity}: {one.text}" for one in world.problems),
    )


def _activity(world: EngineWorld, state: EngineState, known: Sequence[KnownEntry]) -> _Activity:
    progress = world.store.progress()
    # A worker that was killed leaves its last report behind.
    if progress is not None and world.is_running(progress.pid):
        return _Activity(progress.operation, progress.version, progress.size, progress.progress)
    armed = state.armed
    if armed is not None and armed.root_hash != world.machine.root_hash and _boots(armed, known):
        return _Activity(NEED_REBOOT, armed.version, armed.size, 1.0)
    return _Activity()


def _boots(armed: Target, known: Sequence[KnownEntry]) -> bool:
    """Whether what was armed has an entry, as far as the ESP has been seen in this boot."""
    entries = [one for one in known if one.root_hash == armed.root_hash or one.slot == armed.slot]
    return not known or any(one.assessment is not Assessment.BAD for one in entries)


def _waiting_for(activity: _Activity, health: Health) -> str:
    if activity.operation == NEED_REBOOT:
        return "reboot"
    return "health-checks" if health is Health.PENDING else ""


def _passive(known: Sequence[KnownEntry], running: str) -> Passive | None:
    others = [one for one in known if one.root_hash != running]
    if not others:
        return None
    listed = _listed(others[0])
    return Passive(listed.version, listed.assessment)


def _listed(one: KnownEntry) -> ListedEntry:
    version = one.version or one.promised
    assessment = one.assessment.value if one.assessment else "unknown"
    return ListedEntry(one.name, version, one.root_hash, assessment if one.root_hash else "damaged")


def _described(failed: CheckResult | None) -> str:
    if failed is None:
        return ""
    return f"{failed.name}: {failed.message}" if failed.message else failed.name
