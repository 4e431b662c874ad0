"""The engine's files: read with mercy, written whole.

A damaged file is begun anew and said so in the journal: none of them decides
what boots, so none of them may keep a machine from being updated.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from hostio.files.statefiles import TextFile
from osmodel import bootlog
from osmodel.assessment import Assessment
from osmodel.bootlog import BootLog, Stage
from osmodel.faults import InvalidInput
from update_engine.core import enginestate
from update_engine.core.enginestate import EngineState
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


class Store:
    """All files of the engine.

    Args:
        state: ``/var/lib/update-engine/state.json``, durable.
        boots: ``/var/lib/update-engine/starts.json``, durable.
        run: opens a volatile file of ``/run/update-engine`` by name.
    """

    def __init__(self, state: TextFile, boots: TextFile, run: Callable[[str], TextFile]) -> None:
        self._state = state
        self._boots = boots
        self._progress = run("progress.json")
        self._entries = run("entries.json")
        self._health = run("health.json")

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
