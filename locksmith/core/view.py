"""What a host sees of its group in one read, and what follows for it."""

from __future__ import annotations

from dataclasses import dataclass

from locksmith.core import rollout as rollouts
from locksmith.core import semaphore as semaphores
from locksmith.core.effects import Me, Need
from locksmith.core.group import gone
from locksmith.core.keys import GroupKeys
from locksmith.core.rollout import Leave, Rollout
from locksmith.core.semaphore import Holder, Refusal, Semaphore
from osmodel.keyvalue import Change, Delete, Order, Outcome, Put, Range, Transaction, Unchanged

MOST_AHEAD = 256  # entries that are counted; further behind, the number matters no more


@dataclass(frozen=True, slots=True)
class View:
    """The group's keys at one revision.

    Attributes:
        revision: of the store.
        semaphore: as it is, or as it would be made.
        semaphore_revision: of its key, 0 if there is none.
        rollout: as it is, or as it would be made.
        rollout_revision: of its key, 0 if there is none.
        entry_revision: of this host's entry in the queue, 0 if it has none.
        entry_created: its create revision, its place in the queue.
        ahead: hosts that wait longer, longest first.
    """

    revision: int
    semaphore: Semaphore
    semaphore_revision: int
    rollout: Rollout
    rollout_revision: int
    entry_revision: int = 0
    entry_created: int = 0
    ahead: tuple[str, ...] = ()


def reads(keys: GroupKeys, machine: str, created: int = 0) -> tuple[Range, ...]:
    """What to ask for; the answer is for :func:`seen`.

    Args:
        keys: of the group.
        machine: this host's id.
        created: create revision of its entry, 0 if it has none yet.
    """
    queue = keys.waiting
    return (
        Range(keys.semaphore),
        Range(keys.rollout),
        Range(keys.waiting_of(machine)),
        Range(queue.key, queue.end, 1, Order.OLDEST_FIRST, keys_only=True),
        Range(queue.key, queue.end, MOST_AHEAD, Order.NEWEST_FIRST, created, keys_only=True),
    )


def seen(keys: GroupKeys, outcome: Outcome) -> View:
    """Read the answer to :func:`reads`.

    Raises:
        UntrustedData: a value is not what it should be, or the semaphore is gone.
    """
    semaphore_key, rollout_key, entry, oldest, others = outcome.found
    if not semaphore_key and rollout_key:
        raise gone(keys)
    created = entry[0].create_revision if entry else 0
    ahead = [one for one in others if not created or one.create_revision < created]
    if oldest and created > oldest[0].create_revision and oldest[0] not in ahead:
        ahead.append(oldest[0])
    prefix = len(keys.waiting.key)
    return View(
        outcome.revision,
        semaphores.parse(semaphore_key[0].value) if semaphore_key else Semaphore(),
        semaphore_key[0].mod_revision if semaphore_key else 0,
        rollouts.parse(rollout_key[0].value) if rollout_key else Rollout(),
        rollout_key[0].mod_revision if rollout_key else 0,
        entry[0].mod_revision if entry else 0,
        created,
        tuple(one.key[prefix:] for one in sorted(ahead, key=lambda one: one.create_revision)),
    )


@dataclass(frozen=True, slots=True)
class Held:
    """The host holds a place already, and it is its own."""


@dataclass(frozen=True, slots=True)
class Take:
    """A place is free: this takes it, if nothing has changed meanwhile."""

    transaction: Transaction


@dataclass(frozen=True, slots=True)
class Stand:
    """Nothing for this host at this moment.

    Attributes:
        reason: one sentence without full stop.
        ahead: hosts before it in the queue.
    """

    reason: str
    ahead: int


@dataclass(frozen=True, slots=True)
class Withdraw:
    """This version must not be booted: the host leaves the queue and disarms."""

    reason: str


Move = Held | Take | Stand | Withdraw


@dataclass(frozen=True, slots=True)
class Claim:
    """What a host wants of its group.

    Attributes:
        me: the host.
        runs: version that runs.
        need: why it wants to reboot.
        at: seconds since 1970.
        yields: it leaves a free place to those ahead of it. Not after it has waited
            so long that the first of them must be dead.
    """

    me: Me
    runs: str
    need: Need
    at: int
    yields: bool = True

    @property
    def holder(self) -> Holder:
        """What is noted of the place."""
        return Holder(
            since=self.at,
            host=self.me.host,
            boot_id=self.me.boot_id,
            from_version=self.runs,
            to_version=self.need.version,
            by="locksmithd",
        )


def move(keys: GroupKeys, view: View, claim: Claim) -> Move:
    """What the host does next."""
    me, version = claim.me, claim.need.version
    others = [one for one in view.semaphore.heading_for(version) if one != me.id]
    judgement = view.rollout.judge(version, len(others))
    if judgement.leave is Leave.REFUSED:
        return Withdraw(judgement.reason)
    if judgement.leave is Leave.LATER:
        return Stand(judgement.reason, len(view.ahead))
    held = view.semaphore.holder(me.id)
    taken = view.semaphore.lock(me.id, claim.holder, me.ours)
    if isinstance(taken, Refusal):
        known = f" ({taken.known})" if taken.known else _held_by(view.semaphore)
        return Stand(f"{taken.text}{known}", len(view.ahead))
    if held is not None and _noted(held, claim):
        return Held()
    if held is None and claim.yields and view.ahead:
        return Stand(f"{len(view.ahead)} hosts wait longer", len(view.ahead))
    return Take(_taking(keys, view, claim, taken))


def _noted(held: Holder, claim: Claim) -> bool:
    """Whether the place is noted for this boot and this version already."""
    return (held.boot_id, held.to_version, held.failed) == (
        claim.me.boot_id,
        claim.need.version,
        "",
    )


def _taking(keys: GroupKeys, view: View, claim: Claim, taken: Semaphore) -> Transaction:
    entry = keys.waiting_of(claim.me.id)
    changes: list[Change] = [Put(keys.semaphore, semaphores.encode(taken))]
    if view.entry_revision:
        changes.append(Delete(entry))
    if view.ahead and not claim.yields:
        # The first in the queue let a free place lie: it is dead, or will ask anew.
        changes.append(Delete(keys.waiting_of(view.ahead[0])))
    if not view.rollout_revision:
        # Once there is a roll-out, a semaphore that vanishes is noticed.
        changes.append(Put(keys.rollout, rollouts.encode(view.rollout)))
    return Transaction(
        (
            Unchanged(keys.semaphore, view.semaphore_revision),
            Unchanged(keys.rollout, view.rollout_revision),
            Unchanged(entry, view.entry_revision),
        ),
        tuple(changes),
        reads(keys, claim.me.id, view.entry_created),
    )


def _held_by(semaphore: Semaphore) -> str:
    if not semaphore.holders:
        return ""
    first = semaphore.holders[0]
    known = semaphore.details.get(first, Holder())
    more = f" and {len(semaphore.holders) - 1} more" if len(semaphore.holders) > 1 else ""
    return f", held by {known.host or first}{more}"
