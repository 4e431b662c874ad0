"""Change the values of a group, whatever the store does meanwhile.

A transaction whose answer was lost may have happened, or may still happen: it is
settled by reading back. What is written next carries the revision that was read
then, so a late one fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from locksmith.core import rollout as rollouts
from locksmith.core import semaphore as semaphores
from locksmith.core.backoff import seconds_before_retry
from locksmith.core.effects import Activity, Flow, Me, Pause, Phase, Report, Trouble, commit, draw
from locksmith.core.keys import GroupKeys
from locksmith.core.rollout import Rollout
from locksmith.core.semaphore import Semaphore
from osmodel.faults import UntrustedData
from osmodel.keyvalue import Delete, Outcome, Put, Range, Transaction, Unchanged

_SETTLING = 3  # further tries to find out what became of a change


@dataclass(slots=True)
class Retry:
    """How often in a row the store was no help."""

    attempts: int = 0

    def pause(self, reason: str, version: str = "") -> Flow[None]:
        """Report the trouble and wait longer than the last time."""
        self.attempts += 1
        seconds = seconds_before_retry(self.attempts, (yield from draw()))
        yield Report(Activity(Phase.WAITING, reason, version))
        yield Pause(seconds)

    def over(self) -> None:
        """The store answered."""
        self.attempts = 0


def explained(fault: UntrustedData) -> str:
    """A fault and what helps, as one sentence."""
    return f"{fault}: {fault.hint}" if fault.hint else str(fault)


def gone(keys: GroupKeys) -> UntrustedData:
    """The semaphore was deleted: who holds a place is not known any more, and none gets one."""
    return UntrustedData(
        f"the semaphore {keys.semaphore!r} is gone",
        hint="when no machine is rebooting, `locksmithctl set-max N` makes it anew",
    )


@dataclass(frozen=True, slots=True)
class Group:
    """Both values of a group."""

    semaphore: Semaphore
    rollout: Rollout


Edit = Callable[[Group], Group]


def look(keys: GroupKeys, leaver: str, tries: int) -> Flow[Group | Trouble]:
    """Read both values; a host that looks leaves the queue, for it has just booted.

    Args:
        keys: of the group.
        leaver: the host's id.
        tries: after which it ends with trouble; 0 for never.
    """
    retry = Retry()
    wanted = (Range(keys.semaphore), Range(keys.rollout))
    transaction = Transaction((), (Delete(keys.waiting_of(leaver)),), wanted)
    while True:
        found = read_group(keys, (yield from commit(transaction)))
        if not isinstance(found, Trouble):
            return found[0]
        if tries and retry.attempts + 1 >= tries:
            return found
        yield from retry.pause(found.reason)


def change(keys: GroupKeys, edit: Edit, *extra: Put, tries: int = 0) -> Flow[Group | Trouble]:
    """Change both values of a group, as often as it takes.

    Args:
        keys: of the group.
        edit: returns the values to be; must change nothing that is there already, for
            it is asked again after an answer was lost.
        extra: keys that are put in the same transaction.
        tries: after which it ends with trouble; 0 for never. A change that may have been
            made is read back in any case.

    Returns:
        The values as they are then.
    """
    retry = Retry()
    wanted = (Range(keys.semaphore), Range(keys.rollout))
    outcome = yield from commit(Transaction(reads=wanted))
    while True:
        found = read_group(keys, outcome)
        if isinstance(found, Trouble):
            settling = _SETTLING if found.unknown else 0
            if tries and retry.attempts + 1 >= tries + settling:
                return found
            yield from retry.pause(found.reason)
            outcome = yield from commit(Transaction(reads=wanted))
            continue
        retry.over()
        group, revisions = found
        after = edit(group)
        transaction = _edited(keys, group, after, revisions, extra)
        if transaction is None:
            return group
        outcome = yield from commit(replace(transaction, reads=wanted))
        if isinstance(outcome, Outcome) and outcome.committed:
            return after


Revisions = tuple[int, int]


def read_group(keys: GroupKeys, outcome: Outcome | Trouble) -> tuple[Group, Revisions] | Trouble:
    """Both values and the revisions of their keys, or what is wrong with them."""
    if isinstance(outcome, Trouble):
        return outcome
    try:
        return _group(keys, outcome)
    except UntrustedData as fault:
        return Trouble(explained(fault))


def _group(keys: GroupKeys, outcome: Outcome) -> tuple[Group, Revisions]:
    one, other = outcome.found
    if not one and other:
        raise gone(keys)
    group = Group(
        semaphores.parse(one[0].value) if one else Semaphore(),
        rollouts.parse(other[0].value) if other else Rollout(),
    )
    return group, (one[0].mod_revision if one else 0, other[0].mod_revision if other else 0)


def _edited(
    keys: GroupKeys,
    before: Group,
    after: Group,
    revisions: Revisions,
    extra: tuple[Put, ...],
) -> Transaction | None:
    changes: list[Put] = []
    if after.semaphore != before.semaphore:
        changes.append(Put(keys.semaphore, semaphores.encode(after.semaphore)))
    if after.rollout != before.rollout:
        changes.append(Put(keys.rollout, rollouts.encode(after.rollout)))
    if not changes:
        return None
    if not revisions[0]:
        # A roll-out without a semaphore would look as if somebody had deleted that.
        changes = [
            Put(keys.semaphore, semaphores.encode(after.semaphore)),
            Put(keys.rollout, rollouts.encode(after.rollout)),
        ]
    conditions = (
        Unchanged(keys.semaphore, revisions[0]),
        Unchanged(keys.rollout, revisions[1]),
    )
    return Transaction(conditions, (*changes, *extra))


def give_back(keys: GroupKeys, me: Me) -> Flow[Group | Trouble]:
    """Give this host's place back; a place that is not its own stays."""
    return (yield from change(keys, lambda group: without_ours(group, me)))


def without_ours(group: Group, me: Me) -> Group:
    """The group without this host's place."""
    if not holds(group.semaphore, me):
        return group
    left = group.semaphore.unlock(me.id)
    assert isinstance(left, Semaphore), "it is a holder"
    return replace(group, semaphore=left)


def holds(semaphore: Semaphore, me: Me) -> bool:
    """Whether a place is this very machine's, as far as anything tells."""
    held = semaphore.holder(me.id)
    return held is not None and (not held.boot_id or held.boot_id in me.ours)
