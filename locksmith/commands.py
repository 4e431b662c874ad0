"""The subcommands of ``locksmithctl``: words in, an exit status out.

The first lines of ``status`` and the answers of ``set-max`` are those of 2014, for
programs that read them; a person at a terminal gets more.

Source: locksmith, directory ``locksmithctl``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from locksmith.core import failure as failures
from locksmith.core import semaphore as semaphores
from locksmith.core import waiting
from locksmith.core.effects import Trouble
from locksmith.core.failure import Failure
from locksmith.core.goflags import Flag, Values
from locksmith.core.group import Edit, Group, change, read_group
from locksmith.core.keys import checked_machine_id
from locksmith.core.rollout import Halt, Policy, Stage
from locksmith.core.semaphore import Holder, Refusal, Semaphore
from locksmith.core.waiting import Waiter
from locksmith.output import as_json, details, moment
from locksmith.world import LocksmithWorld, run_flow
from osmodel.faults import InvalidInput, TransientFailure
from osmodel.goduration import parse_duration
from osmodel.keyvalue import Put, Range, Transaction, Unchanged

JSON = Flag("json", "Print one line of JSON.", takes_value=False)
FORCE = Flag("force", "Do not ask.", takes_value=False)
DETAILS = Flag("details", "Show since when places are held, and who waits.", takes_value=False)
REASON = Flag("reason", "What to note about the decision.")
_ASKED_BOOTS = 8  # kept


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a subcommand."""

    world: LocksmithWorld
    flags: Values
    arguments: Sequence[str]

    def is_set(self, flag: Flag) -> bool:
        """Whether a switch is on."""
        return self.flags.get(flag.name, ("false",))[-1] == "true"


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A subcommand, as the help shows it."""

    name: str
    usage: str
    summary: str
    run: Callable[[Call], int]
    flags: tuple[Flag, ...] = ()


def read_state(world: LocksmithWorld) -> tuple[Group, list[Waiter], list[Failure]]:
    """Everything about the group, read at one revision.

    Raises:
        Fault: the store does not answer, or holds something else.
    """
    keys = world.keys
    reads = (Range(keys.semaphore), Range(keys.rollout), keys.waiting, keys.failures)
    outcome = world.store().commit(Transaction(reads=reads))
    one, other, queue, failed = outcome.found
    group = read_group(keys, replace(outcome, found=(one, other)))
    if isinstance(group, Trouble):
        raise TransientFailure(group.reason)
    start = len(keys.waiting.key)
    ordered = sorted(queue, key=lambda entry: entry.create_revision)
    waiters = [waiting.parse(entry.key[start:], entry.value) for entry in ordered]
    start = len(keys.failures.key)
    records = [failures.parse(entry.key[start:], entry.value) for entry in failed]
    return group[0], waiters, sorted(records, key=lambda record: record.at)


def _changed(call: Call, edit: Edit) -> Group:
    """Change the group's values; settles what got no answer.

    Raises:
        TransientFailure: the store does not answer.
    """
    world = call.world
    found = run_flow(change(world.keys, edit, tries=1), world, world.store())
    if isinstance(found, Trouble):
        raise TransientFailure(found.reason)
    return found


def status(call: Call) -> int:
    """Places, holders, and for people who they are."""
    group, waiters, _ = read_state(call.world)
    out, places = call.world.out, group.semaphore
    if call.is_set(JSON):
        out.write(json.dumps(as_json(group, waiters)) + "\n")
        return 0
    out.write(f"Available: {places.free}\nMax: {places.limit}\n")
    if places.holders:
        out.write("\nMACHINE ID\n" + "".join(f"{one}\n" for one in places.holders))
    if call.is_set(DETAILS) or call.world.is_terminal:
        out.writelines(details(group, waiters, call.world.now()))
    return 0


def lock(call: Call) -> int:
    """Take a place for this machine or another one; twice is once."""
    world, machine = call.world, _machine(call)
    own = machine == world.me.id
    boot_id, host = (world.me.boot_id, world.me.host) if own else ("", "")
    holder = Holder(world.now(), host, boot_id, by="locksmithctl")
    if own:
        note_asking(world)
    refused: list[Refusal] = []

    def edit(group: Group) -> Group:
        refused.clear()
        if own and machine in group.semaphore.holders:
            known = group.semaphore.details.get(machine, Holder())
            if known.boot_id in ("", *world.me.ours):
                return group
        found = group.semaphore.lock(machine, holder, world.me.ours if own else frozenset())
        if not own and machine in group.semaphore.holders:
            found = Refusal("holder exists")
        if isinstance(found, Refusal):
            refused.append(found)
            return group
        return replace(group, semaphore=found)

    _changed(call, edit)
    return _refused(call, "locking", refused)


def unlock(call: Call) -> int:
    """Give a place back; of another machine only after a look at what is known of it."""
    world, machine = call.world, _machine(call)
    own = machine == world.me.id
    if not own and not _agreed(call, machine):
        world.err.write("Nothing was changed.\n")
        return 1
    refused: list[Refusal] = []

    def edit(group: Group) -> Group:
        refused.clear()
        found = group.semaphore.unlock(machine)
        if isinstance(found, Refusal):
            refused.append(found)
            return group
        return replace(group, semaphore=found)

    was_held: list[bool] = []

    def noted(group: Group) -> Group:
        was_held.append(machine in group.semaphore.holders)
        return edit(group)

    _changed(call, noted)
    if any(was_held) or own:
        return 0  # an answer that was lost, or nothing to give back: it is free either way
    return _refused(call, "unlocking", refused)


def _agreed(call: Call, machine: str) -> bool:
    """Show what is known of a holder, and ask where there is a person to ask."""
    world = call.world
    group, _, _ = read_state(world)
    known = group.semaphore.holder(machine)
    if known is None:
        return True
    shown = Group(
        Semaphore(0, 1, (machine,), {machine: known}), replace(group.rollout, releases=())
    )
    world.err.write("".join(details(shown, (), world.now())).lstrip("\n"))
    if call.is_set(FORCE) or world.ask is None:
        return True
    answer = world.ask("Is this machine up and well, or gone for good? Unlock it? [y/N] ")
    return answer.strip().lower() in ("y", "yes")


def set_max(call: Call) -> int:
    """Set the number of places; makes the semaphore anew if it is gone."""
    if len(call.arguments) != 1:
        raise InvalidInput("New maximum value must be set.")
    text = call.arguments[0]
    if not (text.isascii() and text.isdigit()) or int(text) > 1 << 31:
        raise InvalidInput(f"Invalid maximum value: {text[:40]}")
    if _made_anew(call.world, int(text)):
        return 0
    old: list[int] = []

    def edit(group: Group) -> Group:
        old.append(group.semaphore.limit)
        return replace(group, semaphore=group.semaphore.set_max(int(text)))

    group = _changed(call, edit)
    call.world.out.write(f"Old-Max: {old[0]}\nMax: {group.semaphore.limit}\n")
    return 0


def _made_anew(world: LocksmithWorld, places: int) -> bool:
    """Whether the semaphore was gone, and is there again without holders."""
    key, rollout = world.keys.semaphore, world.keys.rollout
    store = world.store()
    found = store.commit(Transaction(reads=(Range(key), Range(rollout)))).found
    if found[0] or not found[1]:
        return False
    value = semaphores.encode(Semaphore(places, places))
    made = store.commit(Transaction((Unchanged(key, 0),), (Put(key, value),)))
    if made.committed:
        world.out.write(f"Old-Max: 0\nMax: {places}\n")
    return made.committed


def list_failures(call: Call) -> int:
    """Machines that came back without the version they went to boot."""
    group, _, records = read_state(call.world)
    if call.is_set(JSON):
        rows = [{"machine": one.machine, **json.loads(failures.encode(one))} for one in records]
        call.world.out.write(json.dumps(rows) + "\n")
        return 0
    for one in records:
        stage = group.rollout.release(one.version).stage
        call.world.out.write(
            f"{moment(one.at)}  {one.host or one.machine} went to boot {one.version} ({stage})"
            f" and came back with {one.runs}: {one.reason}\n"
        )
        call.world.out.writelines(f"    {line}\n" for line in one.excerpt.splitlines())
    return 0


def halt(call: Call) -> int:
    """Halt one version, or the whole group."""
    return _decide(call, Stage.HALTED, "halted by hand")


def resume(call: Call) -> int:
    """Let a version, or the whole group, go on; failed machines give their places back."""
    return _decide(call, Stage.OPEN, "resumed by hand")


def abandon(call: Call) -> int:
    """Give a version up for good; failed machines give their places back."""
    if not call.arguments:
        raise InvalidInput("which version? see `locksmithctl failures`")
    return _decide(call, Stage.ABANDONED, "abandoned by hand")


def _decide(call: Call, stage: Stage, default: str) -> int:
    if len(call.arguments) > 1:
        raise InvalidInput("expected one version at most")
    world = call.world
    reason = call.flags.get(REASON.name, ("",))[-1] or default
    decision = Halt(world.now(), world.me.host, reason)
    version = call.arguments[0] if call.arguments else ""

    def edit(group: Group) -> Group:
        if not version:
            halted = decision if stage is Stage.HALTED else None
            return replace(group, rollout=group.rollout.with_halt(halted))
        known = group.rollout.release(version)
        if known.stage is stage and known.decision == decision:
            return group
        after = replace(group, rollout=group.rollout.with_stage(version, stage, decision))
        return after if stage is Stage.HALTED else _without_failed(after, version)

    _changed(call, edit)
    return 0


def _without_failed(group: Group, version: str) -> Group:
    """The group without the places of machines that fell back from ``version``."""
    places = group.semaphore
    for machine, known in group.semaphore.details.items():
        if known.failed and known.to_version == version:
            left = places.unlock(machine)
            places = left if isinstance(left, Semaphore) else places
    return replace(group, semaphore=places)


def set_rollout(call: Call) -> int:
    """Set canaries, soak time and error budget of the group."""
    given = {name: values[-1] for name, values in call.flags.items()}
    if call.arguments or not given:
        raise InvalidInput("expected -canaries N, -soak 10m or -budget N")
    fields: dict[str, int] = {}
    for name in ("canaries", "budget"):
        if name in given:
            fields[name] = _count(name, given[name])
    if "soak" in given:
        fields["soak_s"] = 0 if given["soak"] in ("0", "0s") else parse_duration(given["soak"])
    replace(Policy(), **fields)  # refused before anything is asked

    def edit(group: Group) -> Group:
        policy = replace(group.rollout.policy, **fields)
        return replace(group, rollout=replace(group.rollout, policy=policy))

    policy = _changed(call, edit).rollout.policy
    call.world.out.write(
        f"Canaries: {policy.canaries}\nSoak: {policy.soak_s}s\nBudget: {policy.budget}\n"
    )
    return 0


def _count(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9:  # noqa: PLR2004 - digits
        raise InvalidInput(f"{name}: expected a number, got {text[:40]!r}")
    return int(text)


def note_asking(world: LocksmithWorld) -> None:
    """Make durable that this boot may hold a place.

    Raises:
        HostFailure: the file cannot be written.
    """
    if world.me.boot_id not in world.me.earlier:
        kept = [*sorted(world.me.earlier), world.me.boot_id][-_ASKED_BOOTS:]
        world.asked.write(json.dumps(kept) + "\n")


def boots_of(text: str | None) -> frozenset[str]:
    """Boot ids in the file of :func:`note_asking`; a damaged file has none."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return frozenset()
    listed = found if isinstance(found, list) else []
    return frozenset(one for one in listed if isinstance(one, str))


def _machine(call: Call) -> str:
    """The machine that a command is about.

    Raises:
        InvalidInput: its id is none, or this machine has none.
    """
    if call.arguments:
        return checked_machine_id(call.arguments[0])
    if not call.world.me.id:
        raise InvalidInput("Cannot read machine-id")
    return call.world.me.id


def _refused(call: Call, doing: str, refused: Sequence[Refusal]) -> int:
    for one in refused:
        known = f" ({one.known})" if one.known else ""
        call.world.err.write(f"Error {doing}: {one.text}{known}\n")
    return 1 if refused else 0


SUBCOMMANDS = (
    Subcommand("abandon", "VERSION", "Give a version up for good.", abandon, (REASON,)),
    Subcommand("failures", "", "List machines that fell back.", list_failures, (JSON,)),
    Subcommand("halt", "[VERSION]", "Let no machine boot a version, or reboot.", halt, (REASON,)),
    Subcommand("lock", "<machine-id>", "Lock this machine or a given machine-id for reboot.", lock),
    Subcommand("resume", "[VERSION]", "Let a version, or the group, go on.", resume, (REASON,)),
    Subcommand("set-max", "UNIT", "Set the maximum number of lock holders", set_max),
    Subcommand(
        "set-rollout", "", "Set how a version spreads.", set_rollout,
        (
            Flag("canaries", "Machines that go first."),
            Flag("soak", "Time a machine must stay well, such as 10m."),
            Flag("budget", "Failed machines that halt a version."),
        ),
    ),
    Subcommand(
        "status", "", "Get the status of the cluster wide reboot lock.", status, (JSON, DETAILS)
    ),
    Subcommand(
        "unlock", "<machine-id>", "Unlock this machine or a given machine-id for reboot.",
        unlock, (FORCE,),
    ),
)  # fmt: skip
