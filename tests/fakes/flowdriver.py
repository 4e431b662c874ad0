"""Run a flow of the reboot manager on one host in a world that does as it is told."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from locksmith.core.effects import (
    Activity,
    Aftermath,
    Announce,
    Answer,
    AskServer,
    Await,
    Commit,
    Disarm,
    Draw,
    Effect,
    Facts,
    Flow,
    Look,
    LookBack,
    Need,
    NoteAsking,
    Pause,
    Prepare,
    Reboot,
    Record,
    Remember,
    Report,
    Trouble,
    Undo,
)
from osmodel.keyvalue import Outcome
from tests.fakes.rametcd import RamEtcd

T = TypeVar("T")
START = datetime(2026, 3, 2, tzinfo=UTC)


class EndOfPatience(Exception):  # noqa: N818 - not a fault of the code under test
    """The flow did not end; carries nothing, the driver knows what was done."""


class FlowDriver:
    """Answers effects; attributes can be changed by ``when`` while a flow runs.

    Attributes:
        store: what transactions meet.
        facts: of the host; time and uptime move with every wait.
        aftermath: of its last boot.
        failing: effects (by class) that end in trouble.
        answers: asked before each transaction; trouble instead of an outcome.
        did: names of the effects that did something, in order.
        activities: that were reported.
        waits: seconds of every pause and watch.
        luck: that is drawn.
        record: that was remembered.
        asked: whether it was noted that this boot asks for a place.
    """

    def __init__(self, *, need: Need | None = None, runs: str = "1.0") -> None:
        self.store = RamEtcd()
        self.facts = Facts(START, 100_000.0, runs, need)
        self.aftermath = Aftermath(START, runs, well=True)
        self.failing: dict[type[Effect], str] = {}
        self.answers: Callable[[Commit], Trouble | Outcome | None] = lambda _: None
        self.when: Callable[[Effect], None] = lambda _: None
        self.did: list[str] = []
        self.activities: list[Activity] = []
        self.waits: list[float] = []
        self.luck = 0.0
        self.record: Record | None = None
        self.asked = False

    def run(self, flow: Flow[T], effects: int = 300) -> T:
        """Run a flow to its end.

        Raises:
            EndOfPatience: after so many effects.
        """
        answer: Answer = None
        try:
            for _ in range(effects):
                effect = flow.send(answer)
                self.when(effect)
                answer = self._perform(effect)
        except StopIteration as stop:
            ending: T = stop.value
            return ending
        raise EndOfPatience

    @property
    def reasons(self) -> list[str]:
        """What was reported, without repetitions."""
        return list(dict.fromkeys(one.reason for one in self.activities if one.reason))

    def _perform(self, effect: Effect) -> Answer:  # noqa: C901, PLR0912 - one case per effect
        name = type(effect).__name__
        if type(effect) in self.failing:
            self.did.append(f"{name} failed")
            return Trouble(self.failing[type(effect)])
        match effect:
            case Look():
                return self.facts
            case LookBack():
                return replace(self.aftermath, now=self.facts.now)
            case Draw():
                return self.luck
            case Commit(transaction):
                return self.answers(effect) or self.store.commit(transaction)
            case Await(_, _, seconds) | Pause(seconds):
                self._pass(seconds)
            case Report(activity):
                self.activities.append(activity)
            case Remember(record):
                self.record = record
            case NoteAsking():
                self.asked = True
            case Announce(seconds):
                self.did.append(f"{name} {seconds:g}")
            case Disarm(version):
                self.did.append(f"{name} {version}")
            case AskServer(operation):
                self.did.append(f"{name} {operation}")
            case Prepare() | Undo() | Reboot():
                self.did.append(name)
        return None

    def _pass(self, seconds: float) -> None:
        self.waits.append(seconds)
        now = self.facts.now + timedelta(seconds=seconds)
        self.facts = replace(self.facts, now=now, uptime_s=self.facts.uptime_s + seconds)
