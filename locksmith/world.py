"""Everything that ``locksmithctl`` can touch, as ports in one frozen value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO, TypeVar

from hostio.files.statefiles import TextFile
from hostio.keyvalue.port import KeyStore, UnknownOutcome
from hostio.system.clock import Clock
from locksmith.core.effects import Answer, Commit, Draw, Flow, Me, Pause, Report, Trouble
from locksmith.core.keys import GroupKeys
from osmodel.faults import Fault

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LocksmithWorld:
    """The machine around the command.

    Attributes:
        store: opens the store of the group; what is wrong with its settings shows then.
        keys: of the group.
        me: this machine.
        asked: the file that says in which boots this machine asked for a place.
        clock: time.
        draw: a random number, 0 <= x < 1.
        out: results.
        err: everything else.
        is_terminal: whether a person reads the results.
        ask: asks a person a question on the terminal; ``None`` without one.
    """

    store: Callable[[], KeyStore]
    keys: GroupKeys
    me: Me
    asked: TextFile
    clock: Clock
    draw: Callable[[], float]
    out: TextIO
    err: TextIO
    is_terminal: bool = False
    ask: Callable[[str], str] | None = None

    def now(self) -> int:
        """Seconds since 1970."""
        return int(self.clock.now().timestamp())


def run_flow(flow: Flow[T], world: LocksmithWorld, store: KeyStore) -> T:
    """Run a flow that only talks to the store."""
    answer: Answer = None
    try:
        while True:
            effect = flow.send(answer)
            answer = None
            if isinstance(effect, Commit):
                answer = _committed(effect, store)
            elif isinstance(effect, Draw):
                answer = world.draw()
            elif isinstance(effect, Pause):
                world.clock.sleep(effect.seconds)
            elif isinstance(effect, Report):
                world.err.write(f"locksmithctl: {effect.activity.reason}; trying again\n")
            else:
                raise AssertionError(f"not for a command: {effect}")  # noqa: TRY004 - a bug
    except StopIteration as stop:
        ending: T = stop.value
        return ending


def _committed(effect: Commit, store: KeyStore) -> Answer:
    try:
        return store.commit(effect.transaction)
    except Fault as fault:
        hint = f" ({fault.hint})" if fault.hint else ""
        return Trouble(f"{fault}{hint}", unknown=isinstance(fault, UnknownOutcome))
