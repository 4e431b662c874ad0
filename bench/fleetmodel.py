"""A fleet in simulated time: hosts, their network, one store, and everything that breaks.

The hosts run the flows of ``locksmith.core``, the same that a machine runs; only
the answers come from here. Everything follows from one seed.
"""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from locksmith.core.afterboot import after_boot
from locksmith.core.effects import (
    Aftermath,
    Announce,
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
    Me,
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
from locksmith.core.guards import Plan
from locksmith.core.keys import GroupKeys
from locksmith.core.rebooting import Host, coordinate
from locksmith.core.semaphore import Holder, Semaphore, parse
from osmodel.faults import UntrustedData
from osmodel.keyvalue import Delete, Outcome, Put, Range, Transaction, Unchanged
from tests.fakes.rametcd import RamEtcd

START = datetime(2026, 3, 2, tzinfo=UTC)
_TIMEOUT = 5.0  # seconds after which a request without an answer is given up
_LATEST = 120.0  # seconds that a request can be under way and still arrive
_IDLE = 30.0  # seconds between a host's looks whether a reboot is wanted
_OPERATOR = -1


@dataclass(slots=True)
class Weather:
    """How often things go wrong, until the weather clears.

    Attributes:
        lost: share of requests that never arrive.
        unheard: share that arrive and whose answer is lost.
        late: share that arrive after their host has given up.
        down: spans of time in which the store answers nobody.
        cut: spans in which some hosts reach nobody.
        clears: when all of it ends.
    """

    lost: float = 0.0
    unheard: float = 0.0
    late: float = 0.0
    down: tuple[tuple[float, float], ...] = ()
    cut: tuple[tuple[float, float, frozenset[int]], ...] = ()
    clears: float = 0.0


@dataclass(slots=True)
class Machine:
    """One physical host.

    Attributes:
        number: of the host.
        id: its machine id; two hosts can have the same.
        plan: how it reboots.
        runs: version that runs.
        armed: version that the next boot starts, or empty.
        bad: versions that do not come up on it.
        offset: seconds by which its clock is wrong.
        boots: how often it was started.
        asked: boots in which it asked for a place; on its disk.
        record: of its last reboot; on its disk.
        up: whether it runs.
        dead: it never comes back.
        quarantined: versions that it gave up.
        flow: what it is doing.
        turn: counts answers, so that those to a flow of an earlier boot are dropped.
        booted_at: simulated seconds.
        paused_until: simulated seconds until which its program is frozen.
        left: how often it left the queue.
        refused: versions it was told to leave.
    """

    number: int
    id: str
    plan: Plan
    runs: str
    bad: frozenset[str] = frozenset()
    armed: str = ""
    offset: float = 0.0
    boots: int = 1
    asked: set[str] = field(default_factory=set)
    record: Record | None = None
    up: bool = True
    dead: bool = False
    quarantined: set[str] = field(default_factory=set)
    flow: Flow[str] | None = None
    turn: int = 0
    booted_at: float = 0.0
    paused_until: float = 0.0
    left: int = 0
    refused: set[str] = field(default_factory=set)

    @property
    def boot_id(self) -> str:
        """Of this boot; unlike any other."""
        return f"boot-{self.number}-{self.boots}"


class Violation(AssertionError):  # noqa: N818 - a finding, not a fault of the program
    """Something happened that must never happen."""


class Fleet:
    """All of it.

    Args:
        seed: everything follows from it.
        machines: the hosts.
        weather: what goes wrong.
        places: reboots that are allowed at once.
    """

    def __init__(self, seed: int, machines: list[Machine], weather: Weather, places: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a story must repeat
        self.machines = machines
        self.weather = weather
        self.places = places
        self.keys = GroupKeys()
        self.store = RamEtcd()
        self.now = 0.0
        self.operations = 0
        self.story: list[str] = []
        self.away: set[int] = set()
        self.unlocked = 0
        self.tried: dict[str, set[int]] = {}
        self.fatal: Callable[[Machine], bool] = lambda _: False
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._watches: dict[int, tuple[Machine, int, tuple[Range, ...], int]] = {}
        self._watched: dict[str, set[int]] = {}

    # --- time ---------------------------------------------------------------

    def at(self, moment: float, event: Callable[[], None]) -> None:
        """Let something happen."""
        self._count += 1
        heapq.heappush(self._events, (max(moment, self.now), self._count, event))

    def run(self, until: float, finished: Callable[[], bool]) -> bool:
        """Let time pass until nothing is left to do; false when it took too long."""
        checked = 0.0
        while self._events and self.now <= until:
            self.now, _, event = heapq.heappop(self._events)
            event()
            if self.now >= checked:
                checked = self.now + _IDLE
                if finished():
                    return True
        return finished()

    def tell(self, text: str) -> None:
        """Add a line to the story."""
        clock = str(timedelta(seconds=round(self.now)))
        self.story.append(f"{clock:>16}  {text}")

    # --- hosts --------------------------------------------------------------

    def start(self, machine: Machine) -> None:
        """The host's reboot manager begins, as at each boot."""
        machine.flow = self._life(machine)
        machine.turn += 1
        self._answer(machine, machine.turn, None)

    def _life(self, machine: Machine) -> Flow[str]:
        ending = yield from after_boot(self._host(machine))
        if ending != "nothing to look back at":
            self.tell(f"host {machine.number} {ending}")
        while True:
            yield from coordinate(self._host(machine))
            yield Pause(_IDLE)

    def _host(self, machine: Machine) -> Host:
        me = Me(machine.id, f"host{machine.number}", machine.boot_id, frozenset(machine.asked))
        return Host(me, machine.plan, self.keys, machine.record)

    def _answer(self, machine: Machine, turn: int, answer: Any) -> None:
        """Send an answer to a host's flow, and carry out what it asks next."""
        if not machine.up or turn != machine.turn or machine.flow is None:
            return
        if machine.paused_until > self.now:
            self.at(machine.paused_until, lambda: self._answer(machine, turn, answer))
            return
        while True:
            effect = machine.flow.send(answer)
            machine.turn += 1
            done, answer = self._perform(machine, effect)
            if not done:
                return

    def _perform(  # noqa: C901, PLR0912 - one case per effect
        self, machine: Machine, effect: Effect
    ) -> tuple[bool, Any]:
        """Carry an effect out; whether the answer is there at once, and the answer."""
        turn = machine.turn
        match effect:
            case Look():
                return True, self._facts(machine)
            case LookBack():
                return True, Aftermath(self._clock(machine), machine.runs, well=True)
            case Draw():
                return True, self.random.random()
            case Commit(transaction):
                self._send(machine, transaction)
            case Await(ranges, revision, seconds):
                self._watch(machine, ranges, revision, seconds)
            case Pause(seconds):
                self.at(self.now + seconds, lambda: self._answer(machine, turn, None))
            case Remember(record):
                machine.record = record
                return True, None
            case NoteAsking():
                machine.asked.add(machine.boot_id)
                return True, None
            case Disarm(version):
                self.tell(f"host {machine.number} disarms {version}")
                machine.armed = ""
                machine.refused.add(version)
                return True, None
            case Prepare() | Undo() | Announce():
                seconds = self.random.uniform(0.0, 20.0)
                self.at(self.now + seconds, lambda: self._answer(machine, turn, None))
            case Reboot():
                self._reboot(machine)
            case Report() | AskServer():
                return True, None
        return False, None

    def _facts(self, machine: Machine) -> Facts:
        need = Need(machine.armed) if machine.armed and machine.armed != machine.runs else None
        return Facts(self._clock(machine), self.now - machine.booted_at, machine.runs, need)

    def _clock(self, machine: Machine) -> datetime:
        return START + timedelta(seconds=self.now + machine.offset)

    def offer(self, machine: Machine, version: str) -> None:
        """A release reached the host."""
        if not machine.up or version in machine.quarantined or version in machine.refused:
            return
        if version > max(machine.runs, machine.armed):
            machine.armed = version

    def _reboot(self, machine: Machine) -> None:
        self.away.add(machine.number)
        self.tried.setdefault(machine.armed, set()).add(machine.number)
        self.tell(f"host {machine.number} reboots into {machine.armed}; away: {sorted(self.away)}")
        if len(self.away) > self.places:
            raise Violation(f"{len(self.away)} hosts are away, {self.places} may be")
        self.stop(machine, self.random.uniform(30.0, 300.0))

    def stop(self, machine: Machine, seconds: float) -> None:
        """The host goes down, and comes back unless it is dead."""
        machine.up, machine.flow = False, None
        machine.turn += 1
        self._watches.pop(machine.number, None)
        if self.fatal(machine):
            machine.dead = True
            self.tell(f"host {machine.number} does not come back")
            return
        self.at(self.now + seconds, lambda: self._boot(machine))

    def _boot(self, machine: Machine) -> None:
        if machine.dead:
            return
        wanted = machine.armed or machine.runs
        machine.boots += 1
        machine.up, machine.booted_at = True, self.now
        if wanted in machine.bad:
            self.tell(f"host {machine.number} falls back from {wanted} to {machine.runs}")
            machine.quarantined.add(wanted)
        else:
            machine.runs = wanted
        machine.armed = ""
        self.start(machine)

    # --- the store and the way to it ----------------------------------------

    def reaches(self, number: int) -> bool:
        """Whether a request of a host would arrive."""
        if self.now >= self.weather.clears:
            return True
        if any(begin <= self.now < end for begin, end in self.weather.down):
            return False
        return not any(
            begin <= self.now < end and number in hosts for begin, end, hosts in self.weather.cut
        )

    def _send(self, machine: Machine, transaction: Transaction) -> None:
        self.operations += 1
        turn, left, weather = machine.turn, machine.left, self.weather
        fate = self.random.random() if self.now < weather.clears else 1.0
        if not self.reaches(machine.number) or fate < weather.lost:
            self._give_up(machine, turn)
            return
        fate -= weather.lost
        if fate < weather.unheard:
            self.at(
                self.now + self._latency(), lambda: self._commit(machine, transaction, left, None)
            )
            self._give_up(machine, turn)
            return
        if fate - weather.unheard < weather.late:
            moment = self.now + self.random.uniform(_TIMEOUT, _LATEST)
            self.at(moment, lambda: self._commit(machine, transaction, left, None))
            self._give_up(machine, turn)
            return
        moment = self.now + self._latency()
        self.at(moment, lambda: self._commit(machine, transaction, left, turn))

    def _give_up(self, machine: Machine, turn: int) -> None:
        answer = Trouble("no answer from etcd", unknown=True)
        self.at(self.now + _TIMEOUT, lambda: self._answer(machine, turn, answer))

    def _latency(self) -> float:
        return self.random.uniform(0.002, 0.2)

    def _commit(
        self, machine: Machine, transaction: Transaction, left: int, turn: int | None
    ) -> None:
        holders = self._holders()
        outcome = self.change(transaction, machine.number)
        if outcome.committed and machine.id in self._holders() - holders and left != machine.left:
            raise Violation(f"host {machine.number} got a place after it had left the queue")
        if transaction.changes == (Delete(self.keys.waiting_of(machine.id)),):
            machine.left += 1
        if turn is not None:
            self.at(self.now + self._latency(), lambda: self._answer(machine, turn, outcome))

    def change(self, transaction: Transaction, author: int = _OPERATOR) -> Outcome:
        """Apply a transaction, and notice what it does to the holders."""
        before = self._holders()
        outcome = self.store.apply(transaction)
        if outcome.committed and transaction.changes:
            for one in before - self._holders():
                self._given_back(one, author)
            self._wake(transaction)
        return outcome

    def _holders(self) -> set[str]:
        value = self.store.value(self.keys.semaphore)
        try:
            return set(parse(value).holders) if value else set()
        except UntrustedData:
            return set()

    def _given_back(self, machine_id: str, author: int) -> None:
        for machine in self.machines:
            if machine.id == machine_id and author in (machine.number, _OPERATOR):
                self.away.discard(machine.number)

    def visit(self, number: int, hold: float) -> None:
        """A program of 2014 takes a place and gives it back, by its own rules.

        Args:
            number: below -1.
            hold: seconds between its attempts, and for which it keeps the place.
        """
        before = self.store.keys.get(self.keys.semaphore)
        try:
            seen = parse(before.value) if before else None
        except UntrustedData:
            seen = None
        if before is None or seen is None:
            self.at(self.now + hold, lambda: self.visit(number, hold))
            return
        name = f"old{-number}"
        if name in seen.holders:
            after = seen.unlock(name)
        elif number in self.away:
            raise Violation(f"{name} lost its place")
        else:
            after = seen.lock(name, Holder(), frozenset())
        if isinstance(after, Semaphore):
            self._visited(number, before.mod_revision, after)
        self.at(self.now + hold, lambda: self.visit(number, hold))

    def _visited(self, number: int, revision: int, after: Semaphore) -> None:
        """It writes what it knows: three fields."""
        fields = {"semaphore": after.free, "max": after.limit, "holders": list(after.holders)}
        change = Put(self.keys.semaphore, json.dumps(fields).encode())
        transaction = Transaction((Unchanged(self.keys.semaphore, revision),), (change,))

        def write() -> None:
            if not self.change(transaction, number).committed:
                return
            if f"old{-number}" in after.holders:
                self.away.add(number)
            else:
                self.away.discard(number)
            if len(self.away) > self.places:
                raise Violation(f"{len(self.away)} hosts are away, {self.places} may be")

        self.at(self.now + self._latency(), write)

    def _watch(
        self, machine: Machine, ranges: tuple[Range, ...], revision: int, seconds: float
    ) -> None:
        self.operations += 1
        turn = machine.turn
        if not self.reaches(machine.number):
            trouble = Trouble("no answer from etcd")
            self.at(self.now + _TIMEOUT, lambda: self._answer(machine, turn, trouble))
            return
        if self.store.changed(ranges, revision):
            self.at(self.now + self._latency(), lambda: self._answer(machine, turn, None))
            return
        self._watches[machine.number] = (machine, turn, ranges, revision)
        for wanted in ranges:
            self._watched.setdefault(wanted.key, set()).add(machine.number)
        self.at(self.now + seconds, lambda: self._answer(machine, turn, None))

    def _wake(self, transaction: Transaction) -> None:
        """Tell those who watch a key that was changed; an event can be lost."""
        numbers: set[int] = set()
        for change in transaction.changes:
            numbers |= self._watched.get(change.key, set())
            if change.key == self.keys.semaphore:
                numbers |= self._watched.get(self.keys.rollout, set())
        for number in numbers:
            found = self._watches.get(number)
            if found is None or not self.reaches(number):
                continue
            machine, turn, ranges, _ = found
            if not any(change.key in wanted for change in transaction.changes for wanted in ranges):
                continue
            del self._watches[number]
            for wanted in ranges:
                self._watched[wanted.key].discard(number)
            self.at(self.now + self._latency(), self._waking(machine, turn))

    def _waking(self, machine: Machine, turn: int) -> Callable[[], None]:
        return lambda: self._answer(machine, turn, None)

    def pause(self, machine: Machine, seconds: float) -> None:
        """Stop the host's program for a while, as a frozen virtual machine is."""
        machine.paused_until = self.now + seconds

    def power_cut(self, machine: Machine) -> None:
        """The host loses power without having asked anybody."""
        if machine.up and not machine.dead:
            self.tell(f"host {machine.number} loses power")
            self.stop(machine, 60.0)

    def jump(self, machine: Machine, seconds: float) -> None:
        """The host's clock is set."""
        machine.offset += seconds
