"""From the need for a reboot to the reboot.

In this order: guards of this machine, the word of others (a place, a server, or
nobody's), programs that prepare the machine, the broadcast to users, all guards
and the place once more, the record, the reboot. Whatever fails gives everything
back and begins anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from locksmith.core.backoff import seconds_before_retry, spread_delay
from locksmith.core.effects import (
    Activity,
    Announce,
    AskServer,
    Disarm,
    Facts,
    Flow,
    Me,
    Need,
    Pause,
    Phase,
    Prepare,
    Reboot,
    Record,
    Remember,
    Report,
    Trouble,
    Undo,
    attempt,
    draw,
    look,
)
from locksmith.core.group import Group, change, give_back, holds
from locksmith.core.guards import Plan, Strategy, obstacle, seconds_left
from locksmith.core.keys import GroupKeys
from locksmith.core.place import Hindered, take
from locksmith.core.rollout import Leave

LOCK, UNLOCK = "pre-reboot", "steady-state"
_REBOOT_TAKES = 900.0  # seconds after which a reboot that did not come has failed
_CHECK_TRIES = 6  # of the last look at the store before the reboot


@dataclass(frozen=True, slots=True)
class Host:
    """Everything about this machine that does not change while it waits.

    Attributes:
        me: in the store.
        plan: how it reboots.
        keys: of its group.
        record: of the last reboot.
    """

    me: Me
    plan: Plan
    keys: GroupKeys
    record: Record | None = None


def coordinate(host: Host) -> Flow[str]:
    """Reboot when everybody agrees; returns why nothing is left to do."""
    attempts = 0
    while True:
        facts = yield from look()
        if host.plan.strategy is Strategy.OFF:
            return "the strategy is off"
        if facts.need is None:
            yield Report(Activity(Phase.IDLE))
            return "no reboot is wanted"
        if found := obstacle(host.plan, facts, host.record):
            activity = Activity(Phase.WAITING, found.reason, facts.need.version, found.until)
            yield Report(activity)
            yield Pause(found.seconds)
            continue
        reason = yield from _try(host, facts)
        if not reason:
            attempts = 0
            continue
        attempts += 1
        seconds = seconds_before_retry(attempts, (yield from draw()))
        yield Report(Activity(Phase.WAITING, reason, facts.need.version))
        yield Pause(seconds)


def _try(host: Host, facts: Facts) -> Flow[str]:
    """One attempt; returns what went wrong, or nothing if it only was not the moment."""
    need = facts.need
    assert need is not None
    permission = yield from _permission(host, need, facts)
    if permission is not None:
        if permission.disarm:
            yield Report(Activity(Phase.WAITING, permission.reason, need.version))
            gone = yield from attempt(Disarm(need.version))
            return gone.reason if gone else permission.reason
        return permission.reason if permission.failed else ""
    reason = yield from _reboot(host, need)
    yield Undo()
    yield from _return_permission(host)
    return reason


def _permission(host: Host, need: Need, facts: Facts) -> Flow[Hindered | None]:
    match host.plan.strategy:
        case Strategy.ETCD_LOCK:
            taken = yield from take(host.keys, host.me, need, _hindrance(host, need))
            return taken if isinstance(taken, Hindered) else None
        case Strategy.FLEET_LOCK:
            refused = yield from attempt(AskServer(LOCK))
            return Hindered(refused.reason, failed=True) if refused else None
        case _:
            left = seconds_left(host.plan, facts)
            seconds = spread_delay(host.plan.spread_s, left, (yield from draw()))
            until = int(facts.now.timestamp() + seconds)
            activity = Activity(Phase.WAITING, "spread over the fleet", need.version, until)
            yield Report(activity)
            yield Pause(seconds)
            return (yield from _judged(host, need))


def _judged(host: Host, need: Need) -> Flow[Hindered | None]:
    """The roll-out's word on a version, from the store of this machine."""
    group = yield from change(host.keys, _same, tries=1)
    if isinstance(group, Trouble):
        # This strategy asks nobody: a damaged file of its own must not stop it.
        return None
    judgement = group.rollout.judge(need.version, 0)
    refused = judgement.leave is Leave.REFUSED
    halted = group.rollout.halted is not None
    if not refused and not halted:
        return None
    return Hindered(judgement.reason, disarm=refused, failed=True)


def _same(group: Group) -> Group:
    return group


def _hindrance(host: Host, need: Need) -> Callable[[Facts], str]:
    def found(facts: Facts) -> str:
        if facts.need != need:
            return "another version is to be booted" if facts.need else "no reboot is wanted"
        met = obstacle(host.plan, facts, host.record)
        return met.reason if met else ""

    return found


def _reboot(host: Host, need: Need) -> Flow[str]:
    """Prepare, announce, look again, reboot; returns why it did not happen."""
    yield Report(Activity(Phase.PREPARING, "", need.version))
    failed = yield from attempt(Prepare(need.version))
    if failed:
        return failed.reason
    facts = yield from look()
    if facts.users and host.plan.login_delay_s:
        seconds = float(host.plan.login_delay_s)
        until = int(facts.now.timestamp() + seconds)
        reason = f"{len(facts.users)} users are logged in"
        yield Report(Activity(Phase.PREPARING, reason, need.version, until))
        yield Announce(seconds)
        yield Pause(seconds)
        facts = yield from look()
    if reason := _hindrance(host, need)(facts):
        return reason
    if reason := (yield from _revoked(host, need)):
        return reason
    return (yield from _go(host, need, facts))


def _revoked(host: Host, need: Need) -> Flow[str]:
    """What the store says against the reboot at the last moment."""
    if host.plan.strategy is not Strategy.ETCD_LOCK:
        return ""
    group = yield from change(host.keys, _same, tries=_CHECK_TRIES)
    if isinstance(group, Trouble):
        return group.reason
    held = group.semaphore.holder(host.me.id)
    # A program of 2014 that wrote meanwhile has dropped what we noted of our place.
    if held is None or held.boot_id not in ("", host.me.boot_id):
        return "the place was taken from this host"
    others = [one for one in group.semaphore.heading_for(need.version) if one != host.me.id]
    judgement = group.rollout.judge(need.version, len(others))
    return "" if judgement.leave is Leave.GRANTED else judgement.reason


def _go(host: Host, need: Need, facts: Facts) -> Flow[str]:
    record = Record(
        host.me.boot_id, int(facts.now.timestamp()), facts.runs, need.version, need.root_hash
    )
    # Without the record the host would not know, after the reboot, what was intended.
    failed = yield from attempt(Remember(record))
    if failed:
        return failed.reason
    yield Report(Activity(Phase.REBOOTING, "", need.version))
    failed = yield from attempt(Reboot())
    if not failed:
        yield Pause(_REBOOT_TAKES)
    yield Remember(host.record or Record("", 0, concluded=True))
    return failed.reason if failed else "the machine was asked to reboot and did not"


def _return_permission(host: Host) -> Flow[None]:
    match host.plan.strategy:
        case Strategy.ETCD_LOCK:
            yield from give_back(host.keys, host.me)
        case Strategy.FLEET_LOCK:
            refused = yield from attempt(AskServer(UNLOCK))
            if refused:
                yield Report(Activity(Phase.WAITING, refused.reason))
        case _:
            pass


def keeps_place(group: Group, me: Me) -> bool:
    """Whether this host holds a place that it took in an earlier boot, or nobody knows when."""
    held = group.semaphore.holder(me.id)
    return held is not None and holds(group.semaphore, me) and held.boot_id != me.boot_id
