"""One run: the machine, what is known of it, and what has changed so far."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from cloud_config.apply.world import ApplyWorld
from cloud_config.document.jsontext import parsed
from cloud_config.planning.record import Record
from cloud_config.state.report import Outcome
from hostio.files.statefiles import TextFile
from osmodel.faults import UntrustedData

_UNIT_DIRECTORIES = (
    "/etc/systemd/system/",
    "/run/systemd/system/",
    "/etc/containers/systemd/",  # podman's generator makes units of these
    "/run/containers/systemd/",
)


@dataclass(slots=True)
class Context:
    """A run under way; the actions change it.

    Attributes:
        instance: id of the instance.
        record: true at every moment for what has been done so far.
        with_commands: whether units are started and scripts run.
        changed: origins of which a file was changed.
        is_stale: whether the manager has to read the unit files again.
        kept: text of the record as it was kept last.
    """

    world: ApplyWorld
    instance: str
    record: Record
    with_commands: bool = True
    changed: set[str] = field(default_factory=set)
    is_stale: bool = False
    kept: str = ""

    def take_pending(self) -> None:
        """Go on where a run without commands stopped.

        Raises:
            UntrustedData: what it left is damaged.
        """
        try:
            left = parsed(self.world.pending.read() or "{}")
            self.changed |= {str(origin) for origin in left.get("changed", ())}
            self.is_stale = self.is_stale or bool(left.get("is_stale"))
        except (ValueError, AttributeError, TypeError) as error:
            raise UntrustedData("damaged list of units that wait for their commands") from error

    def leave_pending(self) -> None:
        """Keep what the next run of this boot has to make up for."""
        if not self.with_commands or self.is_stale:
            changed = [] if self.with_commands else sorted(self.changed)
            left = {"changed": changed, "is_stale": self.is_stale}
            self.world.pending.write(json.dumps(left))
        elif self.world.pending.read() is not None:
            self.world.pending.remove()

    def once(self, name: str) -> TextFile:
        """How far something is that this instance does once."""
        return self.world.once(self.instance, name)

    def remember(self) -> None:
        """Keep the record; durable on return."""
        text = self.record.as_json()
        if text != self.kept:
            self.world.record.write(text)
            self.kept = text

    def note_change(self, path: str, origin: str) -> None:
        """A file or link was written or taken away."""
        self.changed.add(origin)
        if path.startswith(_UNIT_DIRECTORIES):
            self.is_stale = True


@dataclass(frozen=True, slots=True)
class Done:
    """What an action reports if it did not fail."""

    outcome: Outcome
    text: str = ""


CHANGED = Done(Outcome.CHANGED)
UNCHANGED = Done(Outcome.UNCHANGED)
SKIPPED = Done(Outcome.SKIPPED)


def done(*, changed: bool) -> Done:
    """Either outcome of an action that makes something so."""
    return CHANGED if changed else UNCHANGED
