"""Wait in the queue of a group until a place in its semaphore is this host's.

The request for a place is bound to the host's own entry in the queue, and a host
that stops asking removes the entry: a request that was under way for minutes can
take nothing any more, and one that got through unheard is given back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from locksmith.core import waiting
from locksmith.core.backoff import seconds_before_look, seconds_before_retry
from locksmith.core.effects import (
    Activity,
    Await,
    Facts,
    Flow,
    Me,
    Need,
    NoteAsking,
    Pause,
    Phase,
    Report,
    Trouble,
    attempt,
    commit,
    draw,
    look,
)
from locksmith.core.group import Retry, explained, give_back
from locksmith.core.keys import GroupKeys
from locksmith.core.view import Claim, Held, Stand, Take, View, Withdraw, move, reads, seen
from locksmith.core.waiting import Waiter
from osmodel.faults import UntrustedData
from osmodel.keyvalue import Delete, Outcome, Put, Range, Transaction, Unchanged

_DEAD_AFTER = 200.0  # seconds for which the first in the queue may let a free place lie
Hindrance = Callable[[Facts], str]


@dataclass(frozen=True, slots=True)
class Taken:
    """The place is this host's."""


@dataclass(frozen=True, slots=True)
class Hindered:
    """The host stopped asking; it holds nothing and is not in the queue.

    Attributes:
        reason: one sentence without full stop.
        disarm: the version must not be booted by anybody of the group.
        failed: it is to be tried again after a pause.
    """

    reason: str
    disarm: bool = False
    failed: bool = False


def take(keys: GroupKeys, me: Me, need: Need, hindrance: Hindrance) -> Flow[Taken | Hindered]:
    """Wait until the host holds a place, or something speaks against it.

    Args:
        keys: of the group.
        me: the host.
        need: why it wants to reboot.
        hindrance: asked after each wait; what it says ends the waiting.
    """
    # Noted first: after a power cut, only this tells a place of our own from a twin's.
    refused = yield from attempt(NoteAsking())
    if refused:
        return Hindered(refused.reason, failed=True)
    queue = _Queue(keys, me, need)
    while True:
        facts = yield from look()
        if reason := hindrance(facts):
            yield from queue.withdraw()
            return Hindered(reason)
        ending = yield from queue.advance(facts)
        if ending is not None:
            return ending


@dataclass(slots=True)
class _Queue:
    """One wait: what is known from round to round.

    Attributes:
        keys: of the group.
        me: the host.
        need: why it wants to reboot.
        retry: with the store.
        view: of the group, ``None`` when it has to be looked at anew.
        free_since: who was first in the queue while a place was free, and since when in
            seconds of uptime.
        created: create revision of the host's entry when it was last seen.
    """

    keys: GroupKeys
    me: Me
    need: Need
    retry: Retry = field(default_factory=Retry)
    view: View | None = None
    free_since: tuple[str, float] | None = None
    created: int = 0

    def advance(self, facts: Facts) -> Flow[Taken | Hindered | None]:
        """One round: look if need be, then move."""
        if self.view is None or not self.view.entry_revision:
            yield from self._enter(facts)
        if self.view is None:
            return None
        yields = self._yields(self.view, facts.uptime_s)
        at = int(facts.now.timestamp())
        claim = Claim(self.me, facts.runs, self.need, at, yields=yields)
        match move(self.keys, self.view, claim):
            case Held():
                yield from self._leave()
                return Taken()
            case Withdraw(reason):
                yield from self.withdraw()
                return Hindered(reason, disarm=True)
            case Take(transaction):
                return (yield from self._take(transaction))
            case Stand(reason, ahead):
                yield from self._stand(self.view, reason, ahead)
        return None

    def _yields(self, view: View, uptime: float) -> bool:
        """Whether a free place is left to those ahead; a dead one must not let it lie for ever."""
        if not view.ahead or not view.semaphore.available:
            self.free_since = None
            return True
        if self.free_since is None or self.free_since[0] != view.ahead[0]:
            self.free_since = (view.ahead[0], uptime)
        return uptime - self.free_since[1] < _DEAD_AFTER

    def withdraw(self) -> Flow[None]:
        """Leave the queue, and give back what an unanswered request got."""
        held = yield from self._leave()
        if held:
            yield from give_back(self.keys, self.me)

    def _enter(self, facts: Facts) -> Flow[None]:
        """Stand in the queue and look at the group."""
        me, at = self.me, int(facts.now.timestamp())
        key = self.keys.waiting_of(me.id)
        value = waiting.encode(Waiter(me.id, at, me.host, me.boot_id, self.need.version))
        changes = (Put(key, value),)
        outcome = yield from commit(
            Transaction((Unchanged(key, 0),), changes, reads(self.keys, me.id, self.created))
        )
        yield from self._understand(outcome)

    def _take(self, transaction: Transaction) -> Flow[Taken | None]:
        outcome = yield from commit(transaction)
        if isinstance(outcome, Outcome) and outcome.committed:
            return Taken()
        yield from self._understand(outcome)
        return None

    def _stand(self, view: View, reason: str, ahead: int) -> Flow[None]:
        self.view = None
        yield Report(Activity(Phase.QUEUED, reason, self.need.version))
        seconds = seconds_before_look(ahead, (yield from draw()))
        answer = yield Await(_watched(self.keys, view), view.revision, seconds)
        if isinstance(answer, Trouble):
            # The store may answer reads all the same; this keeps the looks apart.
            yield Pause(seconds_before_retry(1, (yield from draw())))

    def _understand(self, outcome: Outcome | Trouble) -> Flow[None]:
        """Take the view out of an answer; wait when there is none."""
        self.view = None
        if isinstance(outcome, Trouble):
            yield from self.retry.pause(outcome.reason, self.need.version)
            return
        try:
            self.view = seen(self.keys, outcome)
        except UntrustedData as fault:
            yield from self.retry.pause(explained(fault), self.need.version)
            return
        self.created = self.view.entry_created
        self.retry.over()

    def _leave(self) -> Flow[bool]:
        """Leave the queue; no request under way can take a place any more.

        Returns:
            Whether the place is held by this very boot of this host.
        """
        key = self.keys.waiting_of(self.me.id)
        retry = Retry()
        transaction = Transaction((), (Delete(key),), reads(self.keys, self.me.id))
        while isinstance(outcome := (yield from commit(transaction)), Trouble):
            yield from retry.pause(outcome.reason)
        try:
            held = seen(self.keys, outcome).semaphore.holder(self.me.id)
        except UntrustedData:
            return False
        ours = held is not None and held.boot_id == self.me.boot_id
        return ours and held is not None and held.by == "locksmithd"


def _watched(keys: GroupKeys, view: View) -> tuple[Range, ...]:
    """The first in the queue watches the semaphore, each other one the host before it."""
    if not view.ahead:
        return (keys.both,)
    return Range(keys.waiting_of(view.ahead[-1])), Range(keys.rollout)
