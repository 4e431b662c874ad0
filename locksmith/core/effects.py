"""What a flow asks of the world around it, as values.

A flow is a generator: it yields an effect, is sent the answer, and goes on. It
holds no clock, socket or file, so the same flow runs on a machine
and in a simulation of a thousand (``bench.rollout``).
Whatever a flow knows is lost when its process ends; what must outlive it is in
the store or in the record of ``Remember``.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from osmodel.keyvalue import Outcome, Range, Transaction


@dataclass(frozen=True, slots=True)
class Trouble:
    """An effect that could not be carried out, as an answer.

    Attributes:
        reason: one sentence without full stop.
        unknown: it may have been carried out all the same.
    """

    reason: str
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Need:
    """Why a reboot is wanted.

    Attributes:
        version: that boots then; empty if nothing says so.
        root_hash: of that version, or empty.
    """

    version: str = ""
    root_hash: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to know before a reboot.

    Attributes:
        now: wall-clock time, UTC-aware.
        uptime_s: seconds since this machine booted.
        runs: version that runs, or empty.
        need: ``None`` while no reboot is wanted.
        users: logged-in users.
        inhibitors: who forbids a shutdown, in words.
    """

    now: datetime
    uptime_s: float
    runs: str = ""
    need: Need | None = None
    users: tuple[str, ...] = ()
    inhibitors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """A reboot that was begun, kept over it.

    Attributes:
        boot_id: the boot in which it was begun.
        at: seconds since 1970.
        from_version: that ran then.
        to_version: that was to run next; empty for a plain reboot.
        root_hash: of that version, or empty.
        concluded: what came of it was found out and reported.
    """

    boot_id: str
    at: int
    from_version: str = ""
    to_version: str = ""
    root_hash: str = ""
    concluded: bool = False


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What there is to know after a boot.

    Attributes:
        now: wall-clock time, UTC-aware.
        runs: version that runs, or empty.
        well: boot-complete was reached and nothing has failed since.
        record: of the last reboot that was begun here.
        reason: why the update engine gave the wanted version up, or empty.
        excerpt: the end of the failed boot's journal, or empty.
    """

    now: datetime
    runs: str
    well: bool
    record: Record | None = None
    reason: str = ""
    excerpt: str = ""


class Phase(StrEnum):
    """What the reboot manager is doing, for people and other programs."""

    IDLE = "idle"
    LOOKING_BACK = "looking-back"
    SOAKING = "soaking"
    WAITING = "waiting"
    QUEUED = "queued"
    PREPARING = "preparing"
    REBOOTING = "rebooting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Activity:
    """A phase and its reason.

    Attributes:
        phase: which.
        reason: one sentence without full stop, or empty.
        version: that a reboot leads to, or empty.
        until: seconds since 1970 at which it is looked at again; 0 if not known.
    """

    phase: Phase
    reason: str = ""
    version: str = ""
    until: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """Answer: :class:`Facts`."""


@dataclass(frozen=True, slots=True)
class LookBack:
    """Answer: :class:`Aftermath`; ``version`` is the one to explain the failure of."""

    version: str = ""


@dataclass(frozen=True, slots=True)
class Draw:
    """Answer: a random number, 0 <= x < 1."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Answer: :class:`Outcome` or :class:`Trouble`."""

    transaction: Transaction


@dataclass(frozen=True, slots=True)
class Await:
    """Wait until one of ``ranges`` changes after ``revision``, at most ``seconds``.

    Answer: nothing, or :class:`Trouble` when there is no watching. The caller looks
    again in any case.
    """

    ranges: tuple[Range, ...]
    revision: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait; the answer is nothing. What is wanted may have changed afterwards."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """Tell people and programs of this machine; the answer is nothing."""

    activity: Activity


@dataclass(frozen=True, slots=True)
class Remember:
    """Make ``record`` durable. Answer: nothing or :class:`Trouble`."""

    record: Record


@dataclass(frozen=True, slots=True)
class NoteAsking:
    """Make durable that this boot may hold a place. Answer: nothing or :class:`Trouble`."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Run the programs of before-reboot.d. Answer: nothing or :class:`Trouble`."""

    version: str = ""


@dataclass(frozen=True, slots=True)
class Undo:
    """Run the programs of after-reboot.d; the answer is nothing."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell logged-in users that the machine reboots in ``seconds``. Answer: nothing."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Disarm:
    """Take the installed version back, it must not boot. Answer: nothing or Trouble."""

    version: str


@dataclass(frozen=True, slots=True)
class AskServer:
    """Ask the FleetLock server. Answer: nothing when it agreed, or :class:`Trouble`."""

    operation: str


@dataclass(frozen=True, slots=True)
class Reboot:
    """Ask for the reboot. Answer: nothing when it was accepted, or :class:`Trouble`."""


Effect = (
    Look | LookBack | Draw | Commit | Await | Pause | Report | Remember | NoteAsking
    | Prepare | Undo | Announce | Disarm | AskServer | Reboot
)  # fmt: skip
Answer = Facts | Aftermath | float | Outcome | Trouble | None

Attempted = Remember | NoteAsking | Prepare | Disarm | AskServer | Reboot

T = TypeVar("T")
Flow = Generator[Effect, Answer, T]


def look() -> Flow[Facts]:
    """The facts of this moment."""
    answer = yield Look()
    assert isinstance(answer, Facts)
    return answer


def look_back(version: str = "") -> Flow[Aftermath]:
    """What became of the last reboot."""
    answer = yield LookBack(version)
    assert isinstance(answer, Aftermath)
    return answer


def draw() -> Flow[float]:
    """A random number, 0 <= x < 1."""
    answer = yield Draw()
    assert isinstance(answer, float)
    return answer


def commit(transaction: Transaction) -> Flow[Outcome | Trouble]:
    """The outcome of a transaction."""
    answer = yield Commit(transaction)
    assert isinstance(answer, Outcome | Trouble)
    return answer


def attempt(effect: Attempted) -> Flow[Trouble | None]:
    """Whether an effect went through."""
    answer = yield effect
    assert answer is None or isinstance(answer, Trouble)
    return answer


@dataclass(frozen=True, slots=True)
class Me:
    """This machine, as it appears in the store.

    Attributes:
        id: its machine id.
        host: its name.
        boot_id: of this boot.
        earlier: boot ids in which this machine asked for a place, from its own notes.
    """

    id: str
    host: str
    boot_id: str
    earlier: frozenset[str] = frozenset()

    @property
    def ours(self) -> frozenset[str]:
        """Boot ids by which a place in the store is known to be ours."""
        return self.earlier | {self.boot_id}
