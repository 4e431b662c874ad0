"""The engine's files: read with mercy, written whole.

A damaged file is begun anew and said so in the journal: none of them decides
what boots, so none of them may keep a machine from being updated. The two that
outlive a boot keep their space and are written on a full disk as well
(``hostio.files.preallocated``).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

from hostio.files.statefiles import TextFile
from osmodel import bootlog
from osmodel.assessment import Assessment
from osmodel.bootlog import BootLog, Stage
from osmodel.faults import Fault, HostFailure, InvalidInput
from update_engine.core import enginestate
from update_engine.core.enginestate import EngineState, Problem
from update_engine.core.entries import KnownEntry
from update_engine.core.health import CheckResult, Health, Verdict

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """What a running worker is doing.

    Attributes:
        operation: an ``UPDATE_STATUS_...`` name.
        version: being installed, or empty.
        size: bytes of its payload.
        progress: 0.0 to 1.0.
        pid: of the worker; a record whose worker is gone means nothing.
    """

    operation: str
    version: str
    size: int
    progress: float
    pid: int


class SpacedFile(TextFile, Protocol):
    """A file that can take its space beforehand; see ``hostio.files.preallocated``."""

    def prepare(self) -> None:
        """Take the space, if it is not taken yet.

        Raises:
            HostFailure: no room.
        """
        ...


class Store:
    """All files of the engine.

    Args:
        state: ``/var/lib/update-engine/state.json``, durable.
        boots: ``/var/lib/update-engine/starts.json``, durable.
        run: opens a volatile file of ``/run/update-engine`` by name.
    """

    def __init__(
        self, state: SpacedFile, boots: SpacedFile, run: Callable[[str], TextFile]
    ) -> None:
        self._state = state
        self._boots = boots
        self._progress = run("progress.json")
        self._entries = run("entries.json")
        self._health = run("health.json")
        self._problem = run("problem.json")

    def prepare(self) -> None:
        """Take the space of both durable files; raises ``HostFailure`` if there is none."""
        self._boots.prepare()
        self._state.prepare()

    def state(self) -> EngineState:
        """What is remembered; empty when there is nothing, or it is damaged."""
        text = self._state.read()
        if text is None:
            return EngineState()
        try:
            return enginestate.parse(text)
        except InvalidInput as fault:
            _log.warning("state damaged, begun anew: %s", fault)
            return EngineState()

    def change(self, change: Callable[[EngineState], EngineState]) -> EngineState:
        """Apply ``change``; durable on return, and not written if it changes nothing."""
        before = self.state()
        after = change(before)
        if after != before:
            self._state.write(enginestate.encode(after))
        return after

    def note_problem(self, fault: Fault, at: int) -> None:
        """Keep ``fault`` as the last error: durable if possible, else until the next boot."""
        try:
            self.change(lambda state: state.with_problem(fault, at))
        except HostFailure as failure:
            _log.error("state not written: %s", failure)
            problem = EngineState().with_problem(fault, at).last_error
            assert problem is not None
            try:
                self._problem.write(json.dumps(asdict(problem)) + "\n")
            except HostFailure as second:
                _log.error("problem not published: %s", second)

    def last_problem(self) -> Problem | None:
        """The last error, also one that could not be kept durably."""
        try:
            kept = self.state().last_error
        except HostFailure:
            kept = None
        fields = _fields(self._problem.read())
        try:
            kind, message, hint = (str(fields[name]) for name in ("kind", "message", "hint"))
            noted = Problem(kind, message, hint, int(str(fields["at"])))
        except (KeyError, ValueError):
            return kept
        return noted if kept is None or noted.at >= kept.at else kept

    def forget_problem(self) -> None:
        """Drop what could only be kept until the next boot."""
        self._problem.remove()

    def boot_log(self) -> BootLog:
        """How far each boot came."""
        return bootlog.parse_or_new(self._boots.read())

    def reach(self, boot_id: str, stage: Stage) -> None:
        """Write down that this boot came to ``stage``; durable on return."""
        before = self.boot_log()
        after = before.reached(boot_id, stage)
        if after != before:
            self._boots.write(bootlog.encode(after))

    def entries(self) -> tuple[KnownEntry, ...]:
        """The entries on the ESP when it was last mounted, so that status needs no mount."""
        listed = _fields(self._entries.read()).get("entries")
        try:
            return tuple(_known(one) for one in listed) if isinstance(listed, list) else ()
        except (KeyError, ValueError, TypeError):
            return ()

    def publish_entries(self, entries: tuple[KnownEntry, ...]) -> None:
        """Publish the entries on the ESP."""
        self._entries.write(json.dumps({"entries": [asdict(one) for one in entries]}) + "\n")

    def verdict(self) -> Verdict:
        """The health of this boot, as far as it is known."""
        fields = _fields(self._health.read())
        try:
            health = Health(str(fields["health"]))
        except (KeyError, ValueError):
            return Verdict(Health.PENDING)
        failed = None
        if health is Health.UNHEALTHY:
            check, message = str(fields.get("check", "")), str(fields.get("message", ""))
            failed = CheckResult(check, passed=False, message=message)
        return Verdict(health, failed)

    def publish_verdict(self, verdict: Verdict) -> None:
        """Publish the health of this boot."""
        fields = {"health": verdict.health.value}
        if verdict.failed is not None:
            fields |= {"check": verdict.failed.name, "message": verdict.failed.message}
        self._health.write(json.dumps(fields) + "\n")

    def progress(self) -> Progress | None:
        """What the last worker said it was doing, whether or not it still runs."""
        fields = _fields(self._progress.read())
        try:
            return Progress(
                str(fields["operation"]),
                str(fields["version"]),
                int(str(fields["size"])),
                float(str(fields["progress"])),
                int(str(fields["pid"])),
            )
        except (KeyError, ValueError):
            return None

    def publish(self, progress: Progress) -> None:
        """Say what this worker is doing."""
        self._progress.write(json.dumps(asdict(progress)) + "\n")

    def publish_nothing(self) -> None:
        """Say that no worker runs."""
        self._progress.remove()


def _fields(text: str | None) -> Mapping[str, object]:
    try:
        document = json.loads(text or "{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _known(fields: Mapping[str, object]) -> KnownEntry:
    assessment = fields["assessment"]
    return KnownEntry(
        str(fields["name"]),
        None if assessment is None else Assessment(str(assessment)),
        *(str(fields[name]) for name in ("version", "root_hash", "promised", "slot")),
    )
