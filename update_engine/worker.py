"""One run of the worker: carries out what ``core.worker`` decides.

Each effect's outcome is the next event. Every fault ends here: in the state as
the last error, in the journal as one line, and in the next scheduled run being
later. Nothing of a failed run remains on disk that could boot.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from hostio.system.signals import Terminated
from osmodel.assessment import Assessment
from osmodel.faults import Fault, HostFailure, TransientFailure
from osmodel.version import Version
from update_engine.core import worker
from update_engine.core.backoff import seconds_before_next_run, seconds_before_retry
from update_engine.core.enginestate import EngineState, Run, Target
from update_engine.core.entries import of_root
from update_engine.core.offers import Host, Reason, Refusal
from update_engine.core.preflight import Blocked
from update_engine.core.worker import Candidate, Effect, Event, State
from update_engine.install.sequence import install
from update_engine.install.sources import Found, Source
from update_engine.store import Progress
from update_engine.world import EngineWorld

_log = logging.getLogger(__name__)

_KEPT_OBJECTIONS = 5
_REPORT_EVERY = 1.0  # seconds

Watch = Callable[[Progress], None]


class Ending(StrEnum):
    """How a run ended; stable, used in JSON output."""

    NOTHING_NEW = "nothing-new"
    AVAILABLE = "available"
    ARMED = "armed"
    WAITING_FOR_REBOOT = "waiting-for-reboot"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a run.

    Attributes:
        ending: what became of it.
        version: available, armed or waiting; empty if there is none.
        text: why nothing was installed; a sentence without full stop.
        hint: what to do about it.
    """

    ending: Ending
    version: str = ""
    text: str = ""
    hint: str = ""


def host_of(world: EngineWorld, state: EngineState) -> Host:
    """What offers are held against."""
    me = world.machine
    return Host(
        me.image,
        me.architecture,
        me.platform,
        me.version,
        Version.parse(state.floor) if state.floor else None,
        {one.root_hash: one.reason for one in state.quarantined},
    )


def check(world: EngineWorld, source: Source) -> Result:
    """Ask what could be installed; installs nothing.

    Raises:
        Fault: as :meth:`Source.find`; it is also in the state by then.
    """
    run = _Run(world, source, _unwatched)
    with world.lock(), run.reporting():
        release = run.find().choice.release
        if release is not None:
            run.result = Result(Ending.AVAILABLE, str(release.version))
    return run.result


def update(
    world: EngineWorld, source: Source, watch: Watch | None = None, *, retry: str = ""
) -> Result:
    """Check, write and arm; holds the engine's lock throughout.

    Args:
        world: the machine.
        source: where releases come from.
        watch: called at each change of progress.
        retry: a quarantined version that may try again.

    Raises:
        Fault: what ended the run; it is also in the state by then.
    """
    run = _Run(world, source, watch or _unwatched)
    with world.lock(), run.reporting():
        if retry:
            world.store.change(lambda state: state.without_quarantine(retry))
        run.to_the_end()
    return run.result


class _Run:
    """One run: performs effects and turns their outcomes into events."""

    def __init__(self, world: EngineWorld, source: Source, watch: Watch) -> None:
        self.result = Result(Ending.NOTHING_NEW)
        self._world = world
        self._source = source
        self._watch = watch
        self._found: Found | None = None
        self._fault: Fault | None = None
        self._published_at = float("-inf")

    def to_the_end(self) -> None:
        """Step until no event follows."""
        state = self._resumed()
        event: Event | None = worker.CheckDue()
        while event is not None:
            state, effects = worker.step(state, event)
            _log.info("state=%s event=%s", type(state).__name__, type(event).__name__)
            event = None
            for effect in effects:
                event = self._outcome(effect) or event
        if self._fault is not None and isinstance(state, worker.Idle):
            raise self._fault

    def find(self) -> Found:
        """Ask the source, and write down what it said."""
        self.publish("CHECKING_FOR_UPDATE", 0.0)
        state = self._world.store.state()
        self._found = found = self._source.find(host_of(self._world, state))
        objections = tuple(
            one.text for one in sorted(found.choice.refused, key=_newest) if _says_something(one)
        )
        at = self._world.now()
        self._world.store.change(
            lambda old: replace(old, last_checked=at, objections=objections[:_KEPT_OBJECTIONS])
        )
        return found

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Leave the outcome in the state, and no progress behind."""
        store = self._world.store
        try:
            yield
        except Fault as fault:
            _log.error("kind=%s %s", fault.kind, fault)
            store.note_problem(fault, self._world.now())
            raise
        except Terminated:
            # The limit of a service, or the shutdown: the next run begins anew.
            ended = TransientFailure("ended by SIGTERM", hint="the next scheduled run begins anew")
            _log.error("kind=%s %s", ended.kind, ended)
            store.note_problem(ended, self._world.now())
            self._back_off()
            raise
        else:
            self._remember_result()
        finally:
            with contextlib.suppress(HostFailure):
                store.publish_nothing()

    def _remember_result(self) -> None:
        result, at = self.result, self._world.now()
        if result.ending is Ending.BLOCKED:
            _log.warning("blocked: %s", result.text)
        run = Run(result.ending, result.version, result.text, result.hint, at)
        store = self._world.store
        store.change(
            lambda old: replace(old, last_run=run, last_error=None, failures=0, not_before=0)
        )
        store.forget_problem()

    def publish(self, operation: str, progress: float) -> None:
        """Say what is going on, to other processes and to the caller."""
        version, size = "", 0
        if self._found is not None and self._found.choice.release is not None:
            version, size = str(self._found.choice.release.version), self._found.size
        record = Progress(f"UPDATE_STATUS_{operation}", version, size, progress, self._world.pid)
        try:
            self._world.store.publish(record)
        except HostFailure as fault:
            # Only status reads it; no update ends for that.
            _log.warning("progress not published: %s", fault)
        self._watch(record)

    def _resumed(self) -> State:
        armed = self._world.store.state().armed
        if armed is None:
            return worker.Idle()
        candidate = Candidate(armed.version, armed.root_hash)
        if armed.root_hash != self._world.machine.root_hash and not self._is_bootable(armed):
            _log.warning("armed version=%s has no entry: forgotten", armed.version)
            self._world.store.change(lambda old: old.with_armed(None))
            return worker.Idle()
        if armed.root_hash == self._world.machine.root_hash:
            text = f"{armed.version} runs on trial; nothing is installed before it is blessed"
            self.result = Result(Ending.BLOCKED, armed.version, text)
            return worker.OnTrial(candidate)
        self.result = Result(Ending.WAITING_FOR_REBOOT, armed.version)
        return worker.Armed(candidate)

    def _is_bootable(self, armed: Target) -> bool:
        """Whether the loader knows the armed version; its state may be older than the ESP."""
        with self._world.boot() as boot:
            own = of_root(boot.entries(), armed.root_hash)
        return any(one.assessment not in (None, Assessment.BAD) for one in own)

    def _outcome(self, effect: Effect) -> Event | None:
        if isinstance(effect, worker.Wait):
            self._world.clock.sleep(seconds_before_retry(effect.attempt))
            return None
        try:
            return self.PERFORMED[type(effect)](self)
        except Fault as fault:
            _log.warning("effect=%s kind=%s %s", type(effect).__name__, fault.kind, fault)
            self._fault = fault
            return worker.StepFailed(fault.kind)

    def _ask(self) -> Event:
        found = self.find()
        release = found.choice.release
        if release is None:
            self.result = _nothing(found)
            return worker.NothingNew()
        return worker.OfferFound(Candidate(str(release.version), release.root_hash))

    def _write(self) -> Event:
        assert self._found is not None
        assert self._found.choice.release is not None
        release = self._found.choice.release
        self.publish("DOWNLOADING", 0.0)
        with self._source.opened(release) as payload:
            armed = install(self._world, payload, self._found.size, self._report)
        if isinstance(armed, Blocked):
            self.result = Result(Ending.BLOCKED, str(release.version), armed.text, armed.hint)
            return worker.WriteBlocked()
        self.result = Result(Ending.ARMED, armed.version)
        self._fault = None
        return worker.SlotArmed()

    def _report(self, done: int, total: int) -> None:
        # Not more often: each report is a file that others poll.
        now = self._world.clock.monotonic()
        if now - self._published_at >= _REPORT_EVERY or done == total:
            self._published_at = now
            self.publish("FINALIZING" if done == total else "DOWNLOADING", done / max(total, 1))

    def _back_off(self) -> None:
        now = self._world.now()

        def later(state: EngineState) -> EngineState:
            failures = state.failures + 1
            return replace(
                state, failures=failures, not_before=now + seconds_before_next_run(failures)
            )

        try:
            self._world.store.change(later)
        except HostFailure as fault:
            _log.error("state not written: %s", fault)

    def _ask_for_reboot(self) -> None:
        self._world.reboot_wanted.write("")

    PERFORMED: ClassVar[dict[type[Effect], Callable[[_Run], Event | None]]] = {
        worker.AskRepository: _ask,
        worker.WriteAndArm: _write,
        worker.BackOff: _back_off,
        worker.AskForReboot: _ask_for_reboot,
    }


def _newest(refusal: Refusal) -> tuple[int, ...]:
    return tuple(-number for number in refusal.release.version.numbers)


def _says_something(refusal: Refusal) -> bool:
    """Older versions and other machines' releases are what a repository is full of."""
    return refusal.reason in {Reason.BELOW_FLOOR, Reason.NEEDS_STEP, Reason.QUARANTINED}


def _unwatched(_: Progress) -> None:
    """Shows nothing."""


def _nothing(found: Found) -> Result:
    speaking = sorted(filter(_says_something, found.choice.refused), key=_newest)
    return Result(Ending.NOTHING_NEW, text=speaking[0].text if speaking else "")
