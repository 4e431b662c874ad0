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
from typing import Any

from osmodel.faults import Fault, InvalidInput
from osmodel.version import Version
from update_engine.core.backoff import LONGEST_BACK_OFF

MAX_TEXT = 256 * 1024  # characters
# The file has one size for life, so that a full disk can still take it. The
# longest state fits, however its texts are made up; a test holds that.
SIZE = 80 * 1024  # bytes

_FORMAT = 1
_KEPT_QUARANTINED = 32
_KEPT_SUCCESSES = 16
_KEPT_OBJECTIONS = 5
_LONGEST_TEXT = 300  # characters of a text for people
_LONGEST_WORD = 128  # characters of anything else
_LARGEST = (1 << 63) - 1  # what D-Bus can carry


@dataclass(frozen=True, slots=True)
class Target:
    """A version on its way into the passive slot.

    Attributes:
        version: as text.
        root_hash: 64 hex digits.
        slot: ``a`` or ``b``.
        boot_id: the boot in which this was written down.
        at: seconds since 1970.
        size: bytes of the payload, 0 if not known.
        uki_sha256: of its kernel image, 64 hex digits; empty if not known.
    """

    version: str
    root_hash: str
    slot: str
    boot_id: str
    at: int
    size: int = 0
    uki_sha256: str = ""


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
    """A version that came up healthy and was blessed.

    Attributes:
        version: as text.
        root_hash: 64 hex digits.
        at: seconds since 1970.
        uki_sha256: of its kernel image when it was good, 64 hex digits; empty
            if it was not looked at yet.
    """

    version: str
    root_hash: str
    at: int
    uki_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """How the last run of the worker ended.

    Attributes:
        ending: stable word, see ``update_engine.worker.Ending``.
        version: it is about, or empty.
        text: why nothing was installed; a sentence without full stop.
        hint: what helps.
        at: seconds since 1970.
    """

    ending: str
    version: str
    text: str
    hint: str
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
        last_run: how the last run ended that did not fail.
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
    last_run: Run | None = None

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

    def as_of(self, now: int) -> EngineState:
        """The state without times that a clock running ahead left behind.

        A time of the past that is still to come says nothing, and no back-off is
        longer than the longest.

        Args:
            now: seconds since 1970.
        """
        waits = now < self.not_before <= now + LONGEST_BACK_OFF
        return replace(
            self,
            not_before=self.not_before if waits else 0,
            last_checked=self.last_checked if self.last_checked <= now else 0,
        )

    def with_armed(self, target: Target | None) -> EngineState:
        """The state in which ``target`` boots next, and nothing is being written."""
        return replace(self, writing=None, armed=target)

    def success_of(self, root_hash: str) -> Success | None:
        """The last time this root was blessed here, or ``None``."""
        found = [one for one in self.successes if one.root_hash == root_hash]
        return found[-1] if found else None

    def with_uki(self, root_hash: str, sha256: str) -> EngineState:
        """The state that knows the good kernel image of a root that was blessed."""
        return replace(
            self,
            successes=tuple(
                replace(one, uki_sha256=sha256) if one.root_hash == root_hash else one
                for one in self.successes
            ),
        )

    def blessed(self, success: Success) -> EngineState:
        """The state after a version was blessed: floor raised, trial over."""
        known = [self.armed, *reversed(self.successes)]
        ukis = [one.uki_sha256 for one in known if one and one.root_hash == success.root_hash]
        success = replace(success, uki_sha256=next(filter(None, ukis), success.uki_sha256))
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
    """The state as JSON text of at most ``SIZE`` bytes; the inverse of :func:`parse`.

    Texts are cut to their longest, and what no terminal should see is replaced.
    """
    document = {"format": _FORMAT, **_bounded(asdict(state), "")}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"


def _bounded(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _bounded(inner, name) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        kept = value[:_KEPT_OBJECTIONS] if key == "objections" else value
        return [_bounded(inner, key) for inner in kept]
    if isinstance(value, str):
        return _for_people(value) if key in _FOR_PEOPLE else _word(value)
    return min(value, _LARGEST) if type(value) is int else value


def _for_people(text: str) -> str:
    """At most ``_LONGEST_TEXT`` characters, all of which a terminal can show."""
    cut = text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."
    return cut if cut.isprintable() else "".join(one if one.isprintable() else " " for one in cut)


def _word(text: str) -> str:
    return _for_people(text[:_LONGEST_WORD]).encode("ascii", errors="replace").decode()


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
            # Older versions do not write what follows.
            last_run=_run(document.get("last_run")),
        )
        if state.floor:
            Version.parse(state.floor)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput(f"not an engine state: {error!r:.200}") from error
    return state


Fields = Mapping[str, object]

_FOR_PEOPLE = frozenset({"reason", "message", "hint", "objections", "text"})


def _target(fields: Fields | None) -> Target | None:
    if fields is None:
        return None
    version, root_hash, slot, boot_id = (
        _text(fields[name]) for name in ("version", "root_hash", "slot", "boot_id")
    )
    at, size = _number(fields["at"]), _number(fields["size"])
    return Target(version, root_hash, slot, boot_id, at, size, _text(fields.get("uki_sha256", "")))


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
    return Success(
        _text(fields["version"]),
        _text(fields["root_hash"]),
        _number(fields["at"]),
        _text(fields.get("uki_sha256", "")),
    )


def _run(fields: Fields | None) -> Run | None:
    if fields is None:
        return None
    ending, version, text, hint = (
        _text(fields[name]) for name in ("ending", "version", "text", "hint")
    )
    return Run(ending, version, text, hint, _number(fields["at"]))


def _problem(fields: Fields | None) -> Problem | None:
    if fields is None:
        return None
    kind, message, hint = (_text(fields[name]) for name in ("kind", "message", "hint"))
    return Problem(kind, message, hint, _number(fields["at"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {type(value).__name__}")
    return _for_people(value)


def _number(value: object) -> int:
    # bool is an int in Python, not in this file.
    if type(value) is not int or value < 0:
        raise TypeError(f"expected a number from 0, found {value!r:.40}")
    return min(value, _LARGEST)
