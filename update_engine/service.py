"""``com.coreos.update1``: the D-Bus interface of the engine, started on demand.

Nothing of it stays resident: the bus starts it for a call, or a worker wants it
for its signals, and it ends when nothing has happened for a while. It installs
nothing itself; ``AttemptUpdate`` starts the worker's unit.

Interface ``com.coreos.update1.Manager``: ``AttemptUpdate()``, ``ResetStatus()``,
``GetStatus() -> (xdssx)``, signal ``StatusUpdate(xdssx)``; the values are last
check, progress, operation, new version, its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hostio.system.busserver import BusObject, Method, Signal, serve
from hostio.system.commandline import run_program
from hostio.system.journal import log_to_journal
from hostio.system.runner import Command
from osmodel.faults import InvalidInput
from update_engine.local import local_world
from update_engine.status import IDLE, NEED_REBOOT, Status, status_of
from update_engine.world import EngineWorld

NAME = "com.coreos.update1"
PATH = "/com/coreos/update1"
INTERFACE = "com.coreos.update1.Manager"
WORKER = "update-engine-run.service"
SIGNATURE = "xdssx"
IDLE_SECONDS = 30.0

_AT_REST = (IDLE, NEED_REBOOT)

Values = tuple[int, float, str, str, int]


class Manager:
    """The three methods and the signal, without a bus."""

    def __init__(self, world: EngineWorld) -> None:
        self._world = world
        self._last: Values | None = None
        self._busy_at = world.clock.monotonic()

    def attempt_update(self) -> Sequence[object]:
        """Start a worker.

        Raises:
            InvalidInput: updates are turned off.
            HostFailure: systemd refused.
        """
        self._stay()
        if not self._world.settings.updates.enabled:
            raise InvalidInput("updates are turned off on this machine")
        self._world.runner.run(Command(["systemctl", "start", "--no-block", WORKER], timeout=30))
        return ()

    def reset_status(self) -> Sequence[object]:
        """Forget the last error, and take back what was not started yet.

        Raises:
            TransientFailure: a worker runs.
            HostFailure: the ESP refused.
        """
        from update_engine.disarming import disarm  # noqa: PLC0415 - status needs none

        self._stay()
        with self._world.lock():
            disarm(self._world)
            self._world.store.change(
                lambda state: replace(state, last_error=None, failures=0, not_before=0)
            )
            self._world.reboot_wanted.remove()
        return ()

    def get_status(self) -> Sequence[object]:
        """The five values."""
        self._stay()
        return values_of(status_of(self._world))

    def tick(self) -> Sequence[Signal] | None:
        """A signal when something changed; ``None`` when it is time to end."""
        values = values_of(status_of(self._world))
        changed = values != self._last
        first, self._last = self._last is None, values
        if changed or values[2] not in _AT_REST:
            self._stay()
        if self._world.clock.monotonic() - self._busy_at > IDLE_SECONDS:
            return None
        # A reboot manager that missed a request must hear of it from a new process.
        say = changed and (not first or values[2] != IDLE)
        return [Signal("StatusUpdate", SIGNATURE, values)] if say else []

    def _stay(self) -> None:
        self._busy_at = self._world.clock.monotonic()


def values_of(status: Status) -> Values:
    """Status as the interface knows it."""
    return (
        status.last_checked,
        status.progress,
        status.operation,
        status.new_version,
        status.new_size,
    )


def bus_object(manager: Manager) -> BusObject:
    """What the bus serves."""
    methods = {
        "AttemptUpdate": Method("", manager.attempt_update),
        "ResetStatus": Method("", manager.reset_status),
        "GetStatus": Method(SIGNATURE, manager.get_status),
    }
    return BusObject(NAME, PATH, INTERFACE, methods, manager.tick)


def main() -> int:
    """Entry point."""
    log_to_journal()
    return run_program("update-engine", _serve)


def _serve() -> int:
    serve(bus_object(Manager(local_world())))
    return 0
