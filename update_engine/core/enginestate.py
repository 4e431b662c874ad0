"""What the engine remembers between boots, and its form in ``state.json``.

Everything here is advice for people and for the next decision; which version
boots is decided by the ESP and the partition table alone. A damaged file
therefore never stops a machine: it is begun anew, and the entries on the ESP
still tell which version is bad.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from osmodel.faults import Fault, InvalidInput
from osmodel.version import Version

MAX_TEXT = 256 * 1024  # characters; a full state has less than 32 KiB

_FORMAT = 1
_KEPT_QUARANTINED = 32
_KEPT_SUCCESSES = 16


@dataclass(frozen=True, slots=True)
class Target:
    """A version on its way into the passive slot.

    Attributes:
        version: as text.
        root_hash: 64 hex digits.
        slot: ``a`` or ``b``.
        boot_id: the start in which this was written down.
        at: seconds since 1970.
        size: bytes of the payload, 0 if not known.
    """

    version: str
    root_hash: str
    slot: str
    boot_id: str
    at: int
    size: int = 0


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A version that failed on this machine; it is not installed again.

    Attributes:
        version: as text.
        root_hash: 64 hex digits; this, not the version, is what is refused.
        reason: one sentence without full stop.
        at: seconds since 1970.
        journal: directory with the failed boots' journals, or empty.
    """

    version: str
    root_hash: str
    reason: str
    at: int
    journal: str = ""


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """A health check that failed, written down before the reboot it causes."""

    root_hash: str
    boot_id: str
    check: str
    message: str


@dataclass(frozen=True, slots=True)
class Success:
    """A version that came up healthy and was blessed."""

    version: str
    root_hash: str
    at: int


@dataclass(frozen=True, slots=True)
class Problem:
    """The last fault, for status and for people."""

    kind: str
    message: str
    hint: str
    at: int


@dataclass(frozen=True, slots=True)
class EngineState:
    """All that is remembered.

    Attributes:
        floor: version below which no update goes; empty before the first
            blessing. Raised only after a version was blessed, otherwise the
            loader could not fall back.
        writing: what is being written into the passive slot, so that nothing trusts it.
        armed: what boots next, until it is blessed or marked bad.
        quarantined: oldest first.
        failed_check: of the last trial.
        successes: oldest first.
        last_checked: seconds since 1970 of the last answer, 0 for never.
        failures: scheduled runs in a row that failed.
        not_before: seconds since 1970 before which no scheduled run starts.
        last_error: of the last run, ``None`` when it went well.
        objections: why the last check found nothing to install, newest first.
    """

    floor: str = ""
    writing: Target | None = None
    armed: Target | None = None
    quarantined: tuple[Quarantined, ...] = ()
    failed_check: FailedCheck | None = None
    successes: tuple[Success, ...] = ()
    last_checked: int = 0
    failures: int = 0
    not_before: int = 0
    last_error: Problem | None = None
    objections: tuple[str, ...] = ()

    def quarantine_of(self, root_hash: str) -> Quarantined | None:
        """Why this root is refused, or ``None``."""
        found = [one for one in self.quarantined if one.root_hash == root_hash]
        return found[-1] if found else None

    def with_quarantined(self, one: Quarantined) -> EngineState:
        """The state with ``one`` refused from here on; a second time updates it."""
        others = tuple(q for q in self.quarantined if q.root_hash != one.root_hash)
        return replace(self, quarantined=(*others, one)[-_KEPT_QUARANTINED:])

    def without_quarantine(self, version: str) -> EngineState:
        """The state with every root of ``version`` allowed again."""
        return replace(self, quarantined=tuple(q for q in self.quarantined if q.version != version))

    def blessed(self, success: Success) -> EngineState:
        """The state after a version was blessed: floor raised, trial over."""
        return replace(
            self,
            floor=_higher(self.floor, success.version),
            writing=None,
            armed=None,
            failed_check=None,
            successes=(*self.successes, success)[-_KEPT_SUCCESSES:],
        )

    def with_problem(self, fault: Fault, at: int) -> EngineState:
        """The state with ``fault`` as the last error."""
        first_line = str(fault).partition("\n")[0]
        return replace(self, last_error=Problem(fault.kind, first_line, fault.hint, at))


def _higher(floor: str, version: str) -> str:
    if not floor:
        return version
    return str(max(Version.parse(floor), Version.parse(version)))


def encode(state: EngineState) -> str:
    """The state as JSON text; the inverse of :func:`parse`."""
    return json.dumps({"format": _FORMAT, **asdict(state)}, indent=1) + "\n"


def parse(text: str) -> EngineState:
    """Read a state.

    Raises:
        InvalidInput: not a state; callers begin a new one and say so.
    """
    if len(text) > MAX_TEXT:
        raise InvalidInput(f"engine state of {len(text)} characters")
    try:
        document = json.loads(text)
        if document["format"] != _FORMAT:
            raise InvalidInput(f"unknown engine state format {document['format']!r:.40}")
        state = EngineState(
            floor=_text(document["floor"]),
            writing=_target(document["writing"]),
            armed=_target(document["armed"]),
            quarantined=tuple(_quarantined(one) for one in document["quarantined"]),
            failed_check=_failed_check(document["failed_check"]),
            successes=tuple(_success(one) for one in document["successes"]),
            last_checked=_number(document["last_checked"]),
            failures=_number(document["failures"]),
            not_before=_number(document["not_before"]),
            last_error=_problem(document["last_error"]),
            objections=tuple(_text(one) for one in document["objections"]),
        )
        if state.floor:
            Version.parse(state.floor)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput(f"not an engine state: {error!r:.200}") from error
    return state


Fields = Mapping[str, object]


def _target(fields: Fields | None) -> Target | None:
    if fields is None:
        return None
    version, root_hash, slot, boot_id = (
        _text(fields[name]) for name in ("version", "root_hash", "slot", "boot_id")
    )
    at, size = _number(fields["at"]), _number(fields["size"])
    return Target(version, root_hash, slot, boot_id, at, size)


def _quarantined(fields: Fields) -> Quarantined:
    version, root_hash, reason, journal = (
        _text(fields[name]) for name in ("version", "root_hash", "reason", "journal")
    )
    return Quarantined(version, root_hash, reason, _number(fields["at"]), journal)


def _failed_check(fields: Fields | None) -> FailedCheck | None:
    if fields is None:
        return None
    return FailedCheck(
        *(_text(fields[name]) for name in ("root_hash", "boot_id", "check", "message"))
    )


def _success(fields: Fields) -> Success:
    return Success(_text(fields["version"]), _text(fields["root_hash"]), _number(fields["at"]))


def _problem(fields: Fields | None) -> Problem | None:
    if fields is None:
        return None
    kind, message, hint = (_text(fields[name]) for name in ("kind", "message", "hint"))
    return Problem(kind, message, hint, _number(fields["at"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {type(value).__name__}")
    return value


def _number(value: object) -> int:
    # bool is an int in Python, not in this file.
    if type(value) is not int or value < 0:
        raise TypeError(f"expected a number from 0, found {value!r:.40}")
    return value
