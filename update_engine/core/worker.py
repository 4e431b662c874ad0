"""One run of the worker: the whole policy, pure.

``step`` takes a state and one event, and returns the next state with the
effects to carry out in order. It knows no clock, disk or network. ``Armed``
and ``OnTrial`` outlive a run: the next one reads them back from ``state.json``
and finds nothing to do. What a boot does is decided in ``core.outcome`` and
``core.health``.

States carry what is only known in them: there is no "current version" that
could be missing while one is written.
"""

from __future__ import annotations

from dataclasses import dataclass

WRITE_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version the metadata vouches for and this machine accepts."""

    version: str
    root_hash: str


# States


@dataclass(frozen=True, slots=True)
class Idle:
    """The running version is good; nothing is under way."""


@dataclass(frozen=True, slots=True)
class Checking:
    """The repository was asked."""


@dataclass(frozen=True, slots=True)
class Writing:
    """The passive slot is being written; ``attempt`` counts from 1."""

    candidate: Candidate
    attempt: int


@dataclass(frozen=True, slots=True)
class Armed:
    """The candidate boots next."""

    candidate: Candidate


@dataclass(frozen=True, slots=True)
class OnTrial:
    """The candidate runs and has not been blessed yet."""

    candidate: Candidate


State = Idle | Checking | Writing | Armed | OnTrial


# Events


@dataclass(frozen=True, slots=True)
class CheckDue:
    """The timer fired, or an operator asked."""


@dataclass(frozen=True, slots=True)
class NothingNew:
    """The repository has nothing for this machine."""


@dataclass(frozen=True, slots=True)
class OfferFound:
    """The repository has a version that this machine accepts."""

    candidate: Candidate


@dataclass(frozen=True, slots=True)
class SlotArmed:
    """The slot was written, read back, compared, and its entry placed."""


@dataclass(frozen=True, slots=True)
class WriteBlocked:
    """The preflight found that nothing may be written; nothing was touched."""


@dataclass(frozen=True, slots=True)
class StepFailed:
    """The last effect failed; ``kind`` is that of the fault."""

    kind: str


Event = CheckDue | NothingNew | OfferFound | SlotArmed | WriteBlocked | StepFailed


# Effects


@dataclass(frozen=True, slots=True)
class AskRepository:
    """Refresh the metadata and choose a release."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Let the other side recover before the next attempt."""

    attempt: int


@dataclass(frozen=True, slots=True)
class WriteAndArm:
    """Take the passive entry away, write the slot, verify it, arm it."""

    candidate: Candidate


@dataclass(frozen=True, slots=True)
class BackOff:
    """Let the next scheduled check wait longer."""


@dataclass(frozen=True, slots=True)
class AskForReboot:
    """Say that a reboot is wanted; the reboot manager or an operator decides when."""


Effect = AskRepository | Wait | WriteAndArm | BackOff | AskForReboot


def step(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """Advance by one event.

    Args:
        state: where the machine is.
        event: what just happened; must be possible in ``state``.
    """
    if isinstance(state, Writing):
        return _while_writing(state, event)
    if isinstance(state, Armed | OnTrial):
        return _while_waiting(state, event)
    match state, event:
        case Idle(), CheckDue():
            return Checking(), (AskRepository(),)
        case Checking(), NothingNew():
            return Idle(), ()
        case Checking(), StepFailed():
            return Idle(), (BackOff(),)
        case Checking(), OfferFound(candidate):
            return Writing(candidate, attempt=1), (WriteAndArm(candidate),)
        case _:
            raise AssertionError(f"{event} cannot happen in {state}")


def _while_writing(state: Writing, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """The part of the table in which the passive slot is not whole."""
    candidate = state.candidate
    match event:
        case SlotArmed():
            return Armed(candidate), (AskForReboot(),)
        case WriteBlocked():
            return Idle(), ()
        case StepFailed("transient") if state.attempt < WRITE_ATTEMPTS:
            again = Writing(candidate, state.attempt + 1)
            return again, (Wait(state.attempt), WriteAndArm(candidate))
        case StepFailed():
            # Forged or unwritable: the passive slot stays without an entry. The
            # next check starts over; another release may be fine.
            return Idle(), (BackOff(),)
        case _:
            raise AssertionError(f"{event} cannot happen in {state}")


def _while_waiting(state: Armed | OnTrial, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """The part of the table in which the loader knows the candidate."""
    match state, event:
        case Armed(), CheckDue():
            # Never touch a slot the loader is about to try.
            return state, (AskForReboot(),)
        case Armed(), StepFailed():
            # The request could not be left; status asks for the reboot as well.
            return state, ()
        case OnTrial(), CheckDue():
            # The other slot is the only good one until this one is blessed.
            return state, ()
        case _:
            raise AssertionError(f"{event} cannot happen in {state}")
