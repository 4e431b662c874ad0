"""Simulate roll-outs over a fleet: ``python -m bench.rollout --seeds 500 --hosts 40``.

Each seed is a story: hosts, places, policy, versions, and what goes wrong. The
hosts run the flows of ``locksmith.core``; the network, the clocks, the power and
the store come from ``bench.fleetmodel``. Checked are the promises of
docs/usage/reboots.md. A seed that breaks one prints its story.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

from bench.fleetmodel import Fleet, Machine, Violation, Weather
from locksmith.core import rollout as rollouts
from locksmith.core import semaphore as semaphores
from locksmith.core import window as windows
from locksmith.core.guards import Plan, Strategy
from locksmith.core.rollout import Policy, Rollout
from locksmith.core.semaphore import Holder, Semaphore
from locksmith.core.window import Window
from osmodel.keyvalue import Put, Transaction

HOUR = 3600.0
OLD, FIRST, SECOND = "1.0", "1.1", "1.2"
_PATIENCE = 400 * HOUR  # after the weather has cleared; no healthy fleet takes that long
_RARELY = 0.3  # share of stories or hosts with something unusual
_SHOWN = 200  # lines of a story that are printed


@dataclass(frozen=True, slots=True)
class Story:
    """What a seed is about.

    Attributes:
        seed: everything follows from it.
        hosts: in the fleet.
        places: reboots at once.
        policy: of the roll-out.
        bad_share: share of hosts on which the first version does not come up.
        doomed: hosts that never return from their first reboot.
        twins: whether two hosts have one machine id.
        visitors: programs of 2014 that use the same semaphore.
    """

    seed: int
    hosts: int
    places: int
    policy: Policy
    bad_share: float
    doomed: frozenset[int]
    twins: bool
    visitors: int = 0


@dataclass(frozen=True, slots=True)
class Course:
    """What came of it.

    Attributes:
        story: that was played.
        took: simulated seconds until everybody was through.
        operations: requests to the store, watches included.
        broken: what should not have happened, or empty.
        lines: the story, for people.
    """

    story: Story
    took: float
    operations: int
    broken: str
    lines: tuple[str, ...]


def story_of(seed: int, most_hosts: int) -> Story:
    """A story; small fleets are likelier, they break in the same ways."""
    chance = random.Random(seed)  # noqa: S311 - a story must repeat
    hosts = max(2, round(most_hosts * chance.random() ** 2))
    doomed = frozenset(chance.sample(range(hosts), chance.choice((0, 0, 1, min(2, hosts - 1)))))
    visitors = chance.choice((0, 0, 0, 2))
    return Story(
        seed,
        hosts,
        chance.choice((1, 1, 2, 3, 10)),
        Policy(chance.randint(0, 3), chance.choice((0, 60, 600)), chance.choice((1, 1, 2))),
        chance.choice((0.0, 0.0, 1.0, 1.0, 0.3)),
        doomed,
        # What a program of 2014 drops is what tells twins apart.
        twins=not visitors and chance.random() < _RARELY,
        visitors=visitors,
    )


def calm_story(hosts: int, places: int) -> Story:
    """Nothing goes wrong; for measuring."""
    return Story(1, hosts, places, Policy(1, 60, 1), 0.0, frozenset(), twins=False)


def play(story: Story, *, calm: bool = False) -> Course:
    """Play a story to its end."""
    chance = random.Random(story.seed + 1_000_000)  # noqa: S311 - as above
    machines = [_machine(story, number, chance, calm=calm) for number in range(story.hosts)]
    weather = Weather() if calm else _weather(story, chance)
    fleet = Fleet(story.seed, machines, weather, story.places)
    fleet.fatal = lambda machine: machine.number in story.doomed and not machine.dead
    _found_group(fleet, story)
    for machine in machines:
        fleet.start(machine)
    _publish(fleet, FIRST, 0.0, chance)
    last = SECOND if story.bad_share else FIRST
    if story.bad_share:
        _publish(fleet, SECOND, 10 * HOUR, chance)
    if not calm:
        _mischief(fleet, chance)
        for one in range(story.visitors):
            fleet.visit(-2 - one, chance.uniform(20, 600))
        fleet.at(weather.clears, lambda: _heal(fleet))
    broken = ""
    try:
        done = fleet.run(weather.clears + _PATIENCE, lambda: _through(fleet, last))
        broken = _judged(fleet, story) if done else _stuck(fleet, last)
    except Violation as violation:
        broken = str(violation)
    return Course(story, fleet.now, fleet.operations, broken, tuple(fleet.story))


def _machine(story: Story, number: int, chance: random.Random, *, calm: bool) -> Machine:
    twin = story.twins and number == 1
    bad = chance.random() < story.bad_share
    window = None if calm or chance.random() > _RARELY else parse_window(chance)
    plan = Plan(
        Strategy.ETCD_LOCK,
        window=window,
        min_interval_s=0 if calm else chance.choice((0, 3600, 6 * 3600)),
    )
    offset = 0.0 if calm else chance.choice((0.0, 0.0, -40.0, 3600.0, -20 * 365 * 86400.0))
    return Machine(
        number,
        f"{0 if twin else number:032x}",
        plan,
        OLD,
        frozenset({FIRST}) if bad else frozenset(),
        offset=offset,
    )


def parse_window(chance: random.Random) -> Window:
    """A window that opens every few hours, and closes while hosts are in the queue."""
    start = f"{chance.randint(0, 3)}/{chance.choice((1, 4, 6))}:{chance.randint(0, 59)}"
    return windows.parse(start, chance.choice((1200, 3600, 7200)), "", lambda _: UTC)


def _weather(story: Story, chance: random.Random) -> Weather:
    clears = 8 * HOUR
    spans = [sorted(chance.uniform(0, clears) for _ in range(2)) for _ in range(4)]
    some = frozenset(chance.sample(range(story.hosts), max(1, story.hosts // 3)))
    return Weather(
        chance.choice((0.0, 0.05, 0.2)),
        chance.choice((0.0, 0.05, 0.2)),
        chance.choice((0.0, 0.05, 0.1)),
        tuple((a, min(b, a + 1200)) for a, b in spans[: chance.randint(0, 2)]),
        tuple((a, b, some) for a, b in spans[2 : 2 + chance.randint(0, 2)]),
        clears,
    )


def _found_group(fleet: Fleet, story: Story) -> None:
    places = Semaphore(story.places, story.places)
    fleet.change(
        Transaction(
            (),
            (
                Put(fleet.keys.semaphore, semaphores.encode(places)),
                Put(fleet.keys.rollout, rollouts.encode(Rollout(story.policy))),
            ),
        )
    )


def _publish(fleet: Fleet, version: str, at: float, chance: random.Random) -> None:
    """Each host finds the version within an hour, and asks again every 45 minutes."""

    def offered(machine: Machine) -> None:
        fleet.offer(machine, version)
        # After a power cut the host boots what is armed: nothing is offered twice.
        if machine.runs < version and not machine.dead:
            fleet.at(fleet.now + 0.75 * HOUR, lambda: offered(machine))

    for machine in fleet.machines:
        moment = at + chance.uniform(0, HOUR)
        fleet.at(moment, lambda machine=machine: offered(machine))  # type: ignore[misc]  # a loop's variable


def _mischief(fleet: Fleet, chance: random.Random) -> None:
    """Frozen hosts, power cuts, clocks that jump, a damaged and a missing key."""
    clears = fleet.weather.clears
    for _ in range(chance.randint(0, len(fleet.machines))):
        machine, moment = chance.choice(fleet.machines), chance.uniform(0, clears - HOUR)
        seconds = chance.uniform(60, 1800)
        event = chance.choice(
            (
                lambda m=machine, s=seconds: fleet.pause(m, s),
                lambda m=machine: fleet.power_cut(m),
                lambda m=machine, s=seconds: fleet.jump(m, s * chance.choice((-50, 50))),
            )
        )
        fleet.at(moment, event)
    if chance.random() < _RARELY:
        moment = chance.uniform(0, clears - HOUR)
        value = chance.choice((b"", b"{", b"[]", b'{"semaphore":"x"}', None))
        fleet.at(moment, lambda: _damage(fleet, value))


def _damage(fleet: Fleet, value: bytes | None) -> None:
    """The semaphore is overwritten or deleted; a person restores it after ten minutes."""
    good = fleet.store.value(fleet.keys.semaphore)
    if good is None:
        return
    fleet.tell("the semaphore is damaged")
    if value is None:
        fleet.store.delete(fleet.keys.semaphore)
    else:
        fleet.store.put(fleet.keys.semaphore, value)

    def restore() -> None:
        if fleet.store.value(fleet.keys.semaphore) != value:
            raise Violation("a damaged semaphore was written over")
        fleet.tell("the semaphore is restored")
        fleet.change(Transaction((), (Put(fleet.keys.semaphore, good),)))

    fleet.at(fleet.now + 600, restore)


def _heal(fleet: Fleet) -> None:
    """The operator looks: dead holders are unlocked if nobody else could go on."""
    value = fleet.store.value(fleet.keys.semaphore)
    known = fleet.store.value(fleet.keys.rollout)
    assert value is not None
    assert known is not None
    places, rollout = semaphores.parse(value), rollouts.parse(known)
    # A twin of a dead host cannot go on by itself: its id holds a place of another boot.
    boots = {m.boot_id: m for m in fleet.machines if m.dead}
    twins = {m.id for m in fleet.machines if not m.dead}
    lost = {m.id for m in fleet.machines if m.dead} - twins
    ghosts = [
        one
        for one in places.holders
        if one in lost or places.details.get(one, Holder()).boot_id in boots
    ]
    canaries = rollout.policy.canaries
    trying = [places.details[one].to_version for one in ghosts if one in places.details]
    blocks = any(len(rollout.release(version).well) < canaries for version in trying)
    blocks = blocks or bool(twins & set(ghosts))
    if len(ghosts) >= fleet.places or blocks:
        for one in ghosts:
            fleet.tell(f"the operator unlocks {one[-4:]}")
            fleet.unlocked += 1
            left = places.unlock(one)
            assert isinstance(left, Semaphore)
            places = left
        fleet.change(Transaction((), (Put(fleet.keys.semaphore, semaphores.encode(places)),)))
    if any(not m.dead and m.number in _doomed(fleet) for m in fleet.machines) or blocks:
        fleet.at(fleet.now + HOUR, lambda: _heal(fleet))


def _doomed(fleet: Fleet) -> set[int]:
    return {m.number for m in fleet.machines if fleet.fatal(m)}


def _through(fleet: Fleet, last: str) -> bool:
    return fleet.now > HOUR and all(m.dead or (m.up and m.runs == last) for m in fleet.machines)


def _judged(fleet: Fleet, story: Story) -> str:
    """What is wrong although everybody is through."""
    if story.bad_share == 1.0 and not story.visitors:
        tried = len(fleet.tried.get(FIRST, ()))
        most = story.policy.canaries + story.places + story.policy.budget - 1
        # Who unlocks a dead host without asking why it died lets one more try.
        most += fleet.unlocked
        if tried > most:
            return f"{tried} hosts rebooted into a bad version, at most {most} may"
    return ""


def _stuck(fleet: Fleet, last: str) -> str:
    left = [m for m in fleet.machines if not m.dead and m.runs != last]
    return f"{len(left)} hosts never came to {last}: {[m.number for m in left][:10]}"


def measure(sizes: Sequence[int], places: int) -> list[Course]:
    """Calm roll-outs over fleets of several sizes."""
    return [play(calm_story(size, places), calm=True) for size in sizes]


def show(course: Course) -> None:
    """Print what happened, for people."""
    print(f"seed {course.story.seed}: {course.broken}")
    print(f"  {course.story}")
    for line in course.lines[-_SHOWN:]:
        print(line)


def main() -> int:
    """Entry point."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=500, help="stories to play")
    options.add_argument("--first", type=int, default=1, help="seed to begin with")
    options.add_argument("--hosts", type=int, default=40, help="hosts of the largest fleet")
    options.add_argument("--places", type=int, default=3, help="places when measuring")
    given = options.parse_args()
    began = time.perf_counter()
    for seed in range(given.first, given.first + given.seeds):
        course = play(story_of(seed, given.hosts))
        if course.broken:
            show(course)
            return 1
    spent = time.perf_counter() - began
    print(f"{given.seeds} stories of up to {given.hosts} hosts: none broken, {spent:.1f} s")
    print(f"calm, {given.places} places:")
    print(f"{'hosts':>6} {'hours':>8} {'operations':>11} {'per host':>9}")
    for found in measure(sorted({10, 100, given.hosts}), given.places):
        each = found.operations / found.story.hosts
        print(f"{found.story.hosts:6} {found.took / HOUR:8.2f} {found.operations:11} {each:9.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
