"""Jobs of the service manager, with their results, over D-Bus.

``systemctl`` tells whether a job could be queued, or waits and tells by text
how it ended. A caller that has to know which of done, failed, timed out, canceled
and skipped it was asks here.

Source: org.freedesktop.systemd1(5) of systemd 257.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from hostio.system.bus import Bus, CallRefused, MethodCall, SignalMatch
from hostio.system.clock import Clock
from osmodel.faults import TransientFailure

_NAME = "org.freedesktop.systemd1"
_PATH = "/org/freedesktop/systemd1"
_MANAGER = "org.freedesktop.systemd1.Manager"
_UNIT = "org.freedesktop.systemd1.Unit"
_REMOVED = SignalMatch(_NAME, _MANAGER, "JobRemoved", _PATH)
_NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit"


class Verb(StrEnum):
    """What a job does, as the manager's methods are named."""

    START = "StartUnit"
    STOP = "StopUnit"
    RESTART = "RestartUnit"
    RELOAD = "ReloadUnit"
    TRY_RESTART = "TryRestartUnit"


class JobResult(StrEnum):
    """How a job ended, in the manager's words."""

    DONE = "done"
    CANCELED = "canceled"
    TIMEOUT = "timeout"
    FAILED = "failed"
    DEPENDENCY = "dependency"
    SKIPPED = "skipped"
    INVALID = "invalid"
    ASSERT = "assert"
    UNSUPPORTED = "unsupported"
    COLLECTED = "collected"
    ONCE = "once"
    FROZEN = "frozen"
    CONCURRENCY = "concurrency"
    OTHER = ""
    """A word of a later version."""


class UnitState(StrEnum):
    """``ActiveState`` of a unit, or that there is none."""

    ACTIVE = "active"
    RELOADING = "reloading"
    INACTIVE = "inactive"
    FAILED = "failed"
    ACTIVATING = "activating"
    DEACTIVATING = "deactivating"
    MAINTENANCE = "maintenance"
    REFRESHING = "refreshing"
    MISSING = ""


class UnitJobs(Protocol):
    """Port for jobs; the fake is ``tests.fakes.ramjobs.RamJobs``.

    All raise ``TransientFailure`` when the manager cannot be reached.
    """

    def run(self, verb: Verb, unit: str, *, timeout: float) -> JobResult:
        """Queue a job (mode ``replace``) and wait for its end.

        Args:
            verb: what to do.
            unit: its full name.
            timeout: seconds to wait; the job goes on after that.

        Raises:
            CallRefused: it could not be queued, e.g. no such unit.
            TransientFailure: it has not ended in time.
        """
        ...

    def state(self, unit: str) -> UnitState:
        """What the unit does at the moment."""
        ...


class SystemdJobs:
    """The manager at the other end of a bus; see :class:`UnitJobs`.

    Args:
        bus: a connection that nothing else takes signals from.
        clock: measures how long is left.
    """

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._subscribed = False

    def run(self, verb: Verb, unit: str, *, timeout: float) -> JobResult:
        """See :meth:`UnitJobs.run`."""
        until = self._clock.monotonic() + timeout
        self._subscribe()
        (job,) = self._call(verb.value, "ss", unit, "replace")
        while (left := until - self._clock.monotonic()) > 0:
            heard = self._bus.next_signal(left)
            # Jobs of others are announced as well, and late ones of our own.
            if heard is not None and heard.body[1] == job:
                return _result(str(heard.body[3]))
        raise TransientFailure(f"{unit}: the job {verb.value} has not ended in {timeout:g} s")

    def state(self, unit: str) -> UnitState:
        """See :meth:`UnitJobs.state`."""
        try:
            (path,) = self._call("GetUnit", "s", unit)
        except CallRefused as refusal:
            if refusal.error_name == _NO_SUCH_UNIT:
                return UnitState.MISSING  # not loaded: neither active nor failed
            raise
        call = MethodCall(
            _NAME,
            str(path),
            "org.freedesktop.DBus.Properties",
            "Get",
            "ss",
            [_UNIT, "ActiveState"],
        )
        (state,) = self._bus.call(call)
        return UnitState(str(state))

    def _subscribe(self) -> None:
        if self._subscribed:
            return
        # The manager sends its signals only while a client has called Subscribe.
        self._bus.subscribe(_REMOVED)
        self._call("Subscribe", "")
        self._subscribed = True

    def _call(self, member: str, signature: str, *body: str) -> list[object]:
        call = MethodCall(_NAME, _PATH, _MANAGER, member, signature, body)
        return list(self._bus.call(call))


def _result(word: str) -> JobResult:
    try:
        return JobResult(word)
    except ValueError:
        return JobResult.OTHER
