"""After a boot: give the place back if all is well, or stop the roll-out if not.

A place is given back only by a machine that reached boot-complete with the version
that it went to boot, and stayed well for the group's soak time. A machine that
fell back is healthy as well; giving its place back would send the next one into
the same version. It keeps its place, tells what happened, and the budget of the
roll-out decides what follows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from locksmith.core import failure as failures
from locksmith.core.backoff import seconds_before_retry
from locksmith.core.effects import (
    Activity,
    Aftermath,
    AskServer,
    Flow,
    Pause,
    Phase,
    Record,
    Remember,
    Report,
    Trouble,
    Undo,
    attempt,
    draw,
    look_back,
)
from locksmith.core.failure import Failure
from locksmith.core.group import Group, change, look, without_ours
from locksmith.core.guards import Strategy
from locksmith.core.rebooting import UNLOCK, Host, keeps_place
from locksmith.core.rollout import Halt, Rollout
from locksmith.core.semaphore import Semaphore
from osmodel.faults import InvalidInput
from osmodel.keyvalue import Put
from osmodel.version import Version

_ASK_AGAIN = 60.0  # seconds until a machine that is not well is looked at again


@dataclass(frozen=True, slots=True)
class Intention:
    """What a reboot was for.

    Attributes:
        version: that was to run; empty if any may.
        root_hash: of that version, or empty.
        from_version: that ran before.
    """

    version: str = ""
    root_hash: str = ""
    from_version: str = ""


def after_boot(host: Host) -> Flow[str]:
    """Find out what became of the last reboot; returns it in a few words."""
    yield Report(Activity(Phase.LOOKING_BACK))
    group = yield from look(host.keys, host.me.id, _tries(host))
    if isinstance(group, Trouble):
        group = Group(Semaphore(), Rollout())
    record = host.record if host.record and not host.record.concluded else None
    kept = keeps_place(group, host.me)
    if not kept and (record is None or record.boot_id == host.me.boot_id):
        return "nothing to look back at"
    intended = _intention(host, group, record, kept=kept)
    found = yield from _well(intended.version)
    if _fell_back(intended, found):
        yield from _tell_failure(host, intended, found)
        ending = f"{intended.version} was to run, but {found.runs} does"
        yield Report(Activity(Phase.FAILED, ending, intended.version))
    else:
        ending = yield from _give_on(host, group, intended, kept=kept)
    if host.record and host.record.boot_id != host.me.boot_id:
        yield Remember(replace(host.record, concluded=True))
    return ending


def _fell_back(intended: Intention, found: Aftermath) -> bool:
    """Whether the version that was wanted does not run, nor a newer one instead of it."""
    if found.reason:
        return True
    if not intended.version or not found.runs or found.runs == intended.version:
        return False
    try:
        # The update engine may have armed a newer one between our word and the reboot.
        return Version.parse(found.runs) <= Version.parse(intended.version)
    except InvalidInput:
        return True


def _tries(host: Host) -> int:
    """Where no other machine is asked, a damaged file of our own is no reason to wait."""
    return 0 if host.plan.strategy is Strategy.ETCD_LOCK else 1


def _intention(host: Host, group: Group, record: Record | None, *, kept: bool) -> Intention:
    """This machine's own record first: the store's note can be older, or another machine's."""
    if record is not None and record.boot_id != host.me.boot_id:
        return Intention(record.to_version, record.root_hash, record.from_version)
    held = group.semaphore.holder(host.me.id) if kept else None
    return Intention(held.to_version, "", held.from_version) if held else Intention()


def _well(version: str) -> Flow[Aftermath]:
    """Wait until the machine is well; until then nothing is given back."""
    while not (found := (yield from look_back(version))).well:
        yield Report(Activity(Phase.LOOKING_BACK, "this boot is not complete", version))
        yield Pause(_ASK_AGAIN)
    return found


def _give_on(host: Host, group: Group, intended: Intention, *, kept: bool) -> Flow[str]:
    """The version that was wanted runs, and well."""
    soak = group.rollout.policy.soak_s
    if kept and soak:
        yield Report(Activity(Phase.SOAKING, "", intended.version))
        yield Pause(float(soak))
        yield from _well(intended.version)
    yield Undo()
    if host.plan.strategy is Strategy.FLEET_LOCK:
        yield from _tell_server()
    yield from change(host.keys, lambda one: _given_on(one, host, intended), tries=_tries(host))
    return f"well with {intended.version}" if intended.version else "well"


def _given_on(group: Group, host: Host, intended: Intention) -> Group:
    left = without_ours(group, host.me) if keeps_place(group, host.me) else group
    if not intended.version:
        return left
    return replace(left, rollout=left.rollout.with_well(intended.version, host.me.id))


def _tell_server() -> Flow[None]:
    attempts = 0
    while refused := (yield from attempt(AskServer(UNLOCK))):
        attempts += 1
        yield Report(Activity(Phase.LOOKING_BACK, refused.reason))
        yield Pause(seconds_before_retry(attempts, (yield from draw())))


def _tell_failure(host: Host, intended: Intention, found: Aftermath) -> Flow[None]:
    """Write down what happened; the place stays taken."""
    me, at = host.me, int(found.now.timestamp())
    reason = found.reason or f"it came back with {found.runs}"
    fell_back = Failure(
        me.id, me.host, at, intended.version, intended.root_hash, found.runs, reason, found.excerpt
    )
    halt = Halt(at, me.host, f"{me.host} fell back to {found.runs}: {reason}")

    def edit(group: Group) -> Group:
        noted = group.semaphore
        if keeps_place(group, me):
            noted = noted.with_failure(me.id, f"fell back from {intended.version}")
        return Group(noted, group.rollout.with_failure(intended.version, me.id, halt))

    yield Undo()
    record = Put(host.keys.failure_of(me.id), failures.encode(fell_back))
    yield from change(host.keys, edit, record, tries=_tries(host))
