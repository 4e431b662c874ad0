"""From the need for a reboot to the reboot, and what comes between."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from locksmith.core import rollout as rollouts
from locksmith.core import semaphore as semaphores
from locksmith.core import window as windows
from locksmith.core.effects import (
    Announce,
    AskServer,
    Await,
    Commit,
    Disarm,
    Effect,
    Me,
    Need,
    NoteAsking,
    Pause,
    Phase,
    Prepare,
    Reboot,
    Record,
    Remember,
    Trouble,
)
from locksmith.core.guards import Plan, Strategy
from locksmith.core.keys import GroupKeys
from locksmith.core.rebooting import Host, coordinate
from locksmith.core.rollout import Halt, Policy, Rollout, Stage
from locksmith.core.semaphore import Holder, Semaphore
from tests.fakes.flowdriver import START, EndOfPatience, FlowDriver

A, B = "a" * 32, "b" * 32
KEYS = GroupKeys()
ME = Me(A, "node1", "boot-1")
NEW = Need("1.1", "f" * 64)
LOCK = Plan(Strategy.ETCD_LOCK)


def host(plan: Plan = LOCK, record: Record | None = None) -> Host:
    return Host(ME, plan, KEYS, record)


class Rebooted(Exception):  # noqa: N818 - ends the run
    """The flow asked for the reboot."""


def reboots(driver: FlowDriver, which: Host, effects: int = 300) -> bool:
    """Run until the reboot, or until it is clear that there is none."""
    before = driver.when

    def watch(effect: Effect) -> None:
        before(effect)
        if isinstance(effect, Reboot) and Reboot not in driver.failing:
            raise Rebooted

    driver.when = watch
    try:
        driver.run(coordinate(which), effects)
    except Rebooted:
        return True
    except EndOfPatience:
        return False
    finally:
        driver.when = before
    return False


def gives_up(driver: FlowDriver, which: Host, reason: str) -> bool:
    """Run until it waits because of ``reason``."""
    before = driver.when

    def watch(effect: Effect) -> None:
        before(effect)
        if isinstance(effect, Pause) and driver.activities[-1].reason == reason:
            raise Rebooted

    driver.when = watch
    try:
        driver.run(coordinate(which))
    except (Rebooted, EndOfPatience) as ending:
        return isinstance(ending, Rebooted)
    return False


def stored(driver: FlowDriver) -> Semaphore:
    value = driver.store.value(KEYS.semaphore)
    return semaphores.parse(value) if value else Semaphore()


def store(driver: FlowDriver, semaphore: Semaphore, rollout: Rollout | None = None) -> None:
    driver.store.put(KEYS.semaphore, semaphores.encode(semaphore))
    if rollout:
        driver.store.put(KEYS.rollout, rollouts.encode(rollout))


def held_by_b(limit: int = 1) -> Semaphore:
    taken = Semaphore(limit, limit).lock(B, Holder(host="node2"), frozenset())
    assert isinstance(taken, Semaphore)
    return taken


def test_nothing_happens_while_no_reboot_is_wanted() -> None:
    driver = FlowDriver()
    assert driver.run(coordinate(host())) == "no reboot is wanted"
    assert driver.store.requests == 0


def test_the_strategy_off_ends_at_once() -> None:
    driver = FlowDriver(need=NEW)
    assert driver.run(coordinate(host(Plan(Strategy.OFF)))) == "the strategy is off"
    assert not driver.did


def test_a_place_is_taken_before_the_reboot_and_kept_over_it() -> None:
    driver = FlowDriver(need=NEW)
    assert reboots(driver, host())
    assert stored(driver).holders == (A,)
    known = stored(driver).details[A]
    assert (known.host, known.boot_id, known.from_version, known.to_version) == (
        "node1", "boot-1", "1.0", "1.1",
    )  # fmt: skip
    assert driver.record is not None
    assert replace(driver.record, at=0) == Record("boot-1", 0, "1.0", "1.1", "f" * 64)
    assert driver.store.value(KEYS.waiting_of(A)) is None


def test_four_requests_are_enough_for_a_reboot() -> None:
    driver = FlowDriver(need=NEW)
    assert reboots(driver, host())
    assert driver.store.requests <= 4


def test_while_another_host_is_down_this_one_waits() -> None:
    driver = FlowDriver(need=NEW)
    store(driver, held_by_b())
    assert not reboots(driver, host())
    assert stored(driver).holders == (B,)
    assert driver.reasons == ["semaphore is at 0, held by node2"]
    assert driver.activities[-1].phase is Phase.QUEUED


def test_a_place_that_is_given_back_is_taken() -> None:
    driver = FlowDriver(need=NEW)
    store(driver, held_by_b())

    def free(effect: Effect) -> None:
        if isinstance(effect, Await):
            store(driver, Semaphore())

    driver.when = free
    assert reboots(driver, host())


def test_who_waits_longer_comes_first() -> None:
    driver = FlowDriver(need=NEW)
    driver.store.put(KEYS.waiting_of(B), b"{}")
    assert not reboots(driver, host(), effects=7)
    assert driver.reasons == ["1 hosts wait longer"]
    driver.store.delete(KEYS.waiting_of(B))
    assert reboots(driver, host())


def test_a_dead_host_in_the_queue_costs_minutes_not_for_ever() -> None:
    driver = FlowDriver(need=NEW)
    driver.store.put(KEYS.waiting_of(B), b"{}")
    assert reboots(driver, host())
    assert sum(driver.waits) < 15 * 60
    assert driver.store.value(KEYS.waiting_of(B)) is None


def test_another_machine_with_the_same_id_is_left_alone() -> None:
    driver = FlowDriver(need=NEW)
    twin = Semaphore(2, 2).lock(A, Holder(host="twin", boot_id="other"), frozenset({"other"}))
    assert isinstance(twin, Semaphore)
    store(driver, twin)
    assert not reboots(driver, host())
    assert "holder exists" in driver.reasons[0]


@pytest.mark.parametrize("value", [b"", b"garbage", b"[1]", b'{"semaphore":"1"}'])
def test_garbage_in_the_key_is_waited_out(value: bytes) -> None:
    driver = FlowDriver(need=NEW)
    driver.store.put(KEYS.semaphore, value)
    assert not reboots(driver, host())
    assert driver.store.value(KEYS.semaphore) == value
    assert "the semaphore" in driver.reasons[0]


def test_a_semaphore_that_was_deleted_gives_no_place() -> None:
    driver = FlowDriver(need=NEW)
    driver.store.put(KEYS.rollout, rollouts.encode(Rollout()))
    assert not reboots(driver, host())
    assert "is gone" in driver.reasons[0]
    assert driver.store.value(KEYS.semaphore) is None


def test_a_damaged_roll_out_gives_no_place() -> None:
    driver = FlowDriver(need=NEW)
    store(driver, Semaphore())
    driver.store.put(KEYS.rollout, b"garbage")
    assert not reboots(driver, host())


def test_without_etcd_nothing_reboots_and_the_pauses_grow_to_five_minutes() -> None:
    driver = FlowDriver(need=NEW)
    driver.answers = lambda _: Trouble("no answer from etcd")
    driver.luck = 0.99
    assert not reboots(driver, host())
    assert driver.reasons == ["no answer from etcd"]
    assert 5.0 <= driver.waits[0] <= 10.0
    assert 290.0 < driver.waits[20] <= 300.0


def test_it_goes_on_by_itself_when_etcd_is_back() -> None:
    driver = FlowDriver(need=NEW)
    left = [3]

    def sometimes(_: Commit) -> Trouble | None:
        left[0] -= 1
        return Trouble("no answer from etcd", unknown=True) if left[0] >= 0 else None

    driver.answers = sometimes
    assert reboots(driver, host())


def test_a_place_that_was_taken_unheard_is_found_by_reading_back() -> None:
    driver = FlowDriver(need=NEW)

    def unheard(commit: Commit) -> Trouble | None:
        if not taking(commit):
            return None
        driver.store.apply(commit.transaction)
        driver.answers = lambda _: None
        return Trouble("no answer", unknown=True)

    driver.answers = unheard
    assert reboots(driver, host())
    assert stored(driver).free == 0


def taking(commit: Commit) -> bool:
    return any(change.key == KEYS.semaphore for change in commit.transaction.changes)


def test_a_place_that_was_taken_unheard_is_given_back_when_nobody_wants_it_any_more() -> None:
    driver = FlowDriver(need=NEW)

    def unheard(commit: Commit) -> Trouble | None:
        if not taking(commit):
            return None
        driver.store.apply(commit.transaction)
        driver.facts = replace(driver.facts, need=None)
        driver.answers = lambda _: None
        return Trouble("no answer", unknown=True)

    driver.answers = unheard
    assert driver.run(coordinate(host())) == "no reboot is wanted"
    assert stored(driver) == Semaphore()


def test_a_request_that_arrives_after_the_host_left_the_queue_takes_nothing() -> None:
    driver = FlowDriver(need=NEW)
    late: list[Commit] = []

    def delayed(commit: Commit) -> Trouble | None:
        if not taking(commit):
            return None
        late.append(commit)
        driver.facts = replace(driver.facts, need=None)
        driver.answers = lambda _: None
        return Trouble("no answer", unknown=True)

    driver.answers = delayed
    driver.run(coordinate(host()))
    assert not driver.store.apply(late[0].transaction).committed
    assert stored(driver) == Semaphore()


def test_a_place_is_not_asked_for_before_that_is_noted() -> None:
    driver = FlowDriver(need=NEW)
    driver.failing[NoteAsking] = "no space left"
    assert not reboots(driver, host())
    assert driver.store.requests == 0
    assert "no space left" in driver.reasons


def test_programs_that_prepare_can_refuse_and_the_place_is_given_back() -> None:
    driver = FlowDriver(need=NEW)
    driver.failing[Prepare] = "10-drain failed: two pods left"
    assert gives_up(driver, host(), "10-drain failed: two pods left")
    assert stored(driver).holders == ()
    assert "10-drain failed: two pods left" in driver.reasons
    assert driver.did[:2] == ["Prepare failed", "Undo"]


def test_logged_in_users_are_told_and_given_five_minutes() -> None:
    driver = FlowDriver(need=NEW)
    driver.facts = replace(driver.facts, users=("ada",))
    assert reboots(driver, host())
    assert "Announce 300" in driver.did
    assert 300.0 in driver.waits


def test_nobody_is_told_where_nobody_is() -> None:
    driver = FlowDriver(need=NEW)
    assert reboots(driver, host())
    assert not [one for one in driver.did if one.startswith(Announce.__name__)]


def test_an_inhibitor_is_respected_and_holds_no_place_meanwhile() -> None:
    driver = FlowDriver(need=NEW)
    driver.facts = replace(driver.facts, inhibitors=("backup: nightly",))
    assert not reboots(driver, host())
    assert driver.store.requests == 0
    assert driver.reasons == ["inhibited by backup: nightly"]


def test_an_inhibitor_that_comes_late_stops_the_reboot() -> None:
    driver = FlowDriver(need=NEW)

    def inhibit(effect: Effect) -> None:
        if isinstance(effect, Prepare):
            driver.facts = replace(driver.facts, inhibitors=("backup: nightly",))

    driver.when = inhibit
    assert not reboots(driver, host())
    assert stored(driver).holders == ()


def nightly(length_s: int = 3600) -> Plan:
    window = windows.parse("02:00", length_s, "", lambda _: UTC)
    return Plan(Strategy.ETCD_LOCK, window)


def test_no_place_is_taken_outside_the_window() -> None:
    driver = FlowDriver(need=NEW)
    assert reboots(driver, host(nightly()))
    assert sum(driver.waits) == pytest.approx(2 * 3600)
    assert "is closed" in driver.reasons[0]


def test_a_window_that_closed_meanwhile_is_noticed_right_before_the_reboot() -> None:
    driver = FlowDriver(need=NEW)
    driver.facts = replace(driver.facts, now=START.replace(hour=2, minute=57), users=("ada",))
    assert reboots(driver, host(nightly()))
    assert driver.facts.now >= START + timedelta(days=1, hours=2)


def test_a_place_is_given_back_when_the_window_closes() -> None:
    driver = FlowDriver(need=NEW)
    driver.facts = replace(driver.facts, now=START.replace(hour=2, minute=57), users=("ada",))
    assert gives_up(driver, host(nightly()), "the reboot window '02:00' is closed")
    assert stored(driver).holders == ()


def test_two_reboots_are_six_hours_apart_whatever_the_store_says() -> None:
    last = Record("boot-0", int(START.timestamp()) - 3600, concluded=True)
    driver = FlowDriver(need=NEW)
    assert reboots(driver, host(record=last))
    assert sum(driver.waits) == pytest.approx(5 * 3600)


def test_a_clock_that_was_set_back_by_years_does_not_stop_reboots_for_years() -> None:
    last = Record("boot-0", int(datetime(2040, 1, 1, tzinfo=UTC).timestamp()), concluded=True)
    driver = FlowDriver(need=NEW)
    driver.facts = replace(driver.facts, uptime_s=600.0)
    assert reboots(driver, host(record=last))
    assert sum(driver.waits) < 6 * 3600


def test_a_version_that_is_halted_is_disarmed() -> None:
    driver = FlowDriver(need=NEW)
    halted = Rollout().with_failure("1.1", B, Halt(1, "node2", "it fell back"))
    store(driver, Semaphore(), halted)
    assert not reboots(driver, host())
    assert "Disarm 1.1" in driver.did
    assert stored(driver).holders == ()
    assert driver.store.value(KEYS.waiting_of(A)) is None


def test_a_halt_during_the_preparation_stops_the_reboot() -> None:
    driver = FlowDriver(need=NEW)

    def halt(effect: Effect) -> None:
        if isinstance(effect, Prepare):
            rollout = Rollout().with_stage("1.1", Stage.HALTED, Halt(1, "operator", "stop"))
            driver.store.put(KEYS.rollout, rollouts.encode(rollout))

    driver.when = halt
    assert not reboots(driver, host())
    assert stored(driver).holders == ()


def test_a_place_that_an_operator_took_away_stops_the_reboot() -> None:
    driver = FlowDriver(need=NEW)

    def unlock(effect: Effect) -> None:
        if isinstance(effect, Prepare):
            store(driver, held_by_b())

    driver.when = unlock
    assert not reboots(driver, host())
    assert stored(driver).holders == (B,)


def test_a_halted_group_waits_and_disarms_nothing() -> None:
    driver = FlowDriver(need=NEW)
    store(driver, Semaphore(), Rollout().with_halt(Halt(1, "operator", "audit")))
    assert not reboots(driver, host())
    assert not driver.did
    assert driver.reasons == ["the group is halted: audit (operator)"]


def test_canaries_go_first() -> None:
    driver = FlowDriver(need=NEW)
    canary = Semaphore(5, 5).lock(B, Holder(to_version="1.1"), frozenset())
    assert isinstance(canary, Semaphore)
    store(driver, canary, Rollout(Policy(1)))
    assert not reboots(driver, host())
    store(driver, canary, Rollout(Policy(1)).with_well("1.1", B))
    assert reboots(driver, host())


def test_a_reboot_that_is_refused_gives_the_place_back() -> None:
    driver = FlowDriver(need=NEW)
    driver.failing[Reboot] = "login1 refused"
    assert gives_up(driver, host(), "login1 refused")
    assert stored(driver).holders == ()
    assert driver.record is not None
    assert driver.record.concluded


def test_a_reboot_that_does_not_come_gives_the_place_back() -> None:
    driver = FlowDriver(need=NEW)
    assert gives_up(driver, host(), "the machine was asked to reboot and did not")
    assert stored(driver).holders == ()


def test_without_a_record_there_is_no_reboot() -> None:
    driver = FlowDriver(need=NEW)
    driver.failing[Remember] = "no space left"
    assert gives_up(driver, host(), "no space left")
    assert stored(driver).holders == ()


def test_the_strategy_reboot_asks_nobody_and_spreads() -> None:
    driver = FlowDriver(need=NEW)
    driver.luck = 0.5
    assert reboots(driver, host(Plan(Strategy.REBOOT)))
    assert driver.waits == [300.0]
    assert stored(driver).holders == ()


def test_the_spread_stays_within_the_window() -> None:
    driver = FlowDriver(need=NEW)
    driver.luck = 0.999
    driver.facts = replace(driver.facts, now=START.replace(hour=2))
    plan = replace(nightly(60), strategy=Strategy.REBOOT)
    assert reboots(driver, host(plan))
    assert driver.waits == [pytest.approx(48.0, abs=0.1)]


def test_a_damaged_file_of_its_own_does_not_stop_the_strategy_reboot() -> None:
    driver = FlowDriver(need=NEW)
    driver.store.put(KEYS.rollout, b"garbage")
    assert reboots(driver, host(Plan(Strategy.REBOOT)))


def test_a_halt_on_the_machine_itself_stops_the_strategy_reboot() -> None:
    driver = FlowDriver(need=NEW)
    store(driver, Semaphore(), Rollout().with_halt(Halt(1, "operator", "audit")))
    assert not reboots(driver, host(Plan(Strategy.REBOOT)))


def test_a_fleetlock_server_is_asked_before_and_told_after_a_failure() -> None:
    driver = FlowDriver(need=NEW)
    driver.failing[Prepare] = "no"
    assert not reboots(driver, host(Plan(Strategy.FLEET_LOCK)))
    assert driver.did[:4] == [
        "AskServer pre-reboot", "Prepare failed", "Undo", "AskServer steady-state",
    ]  # fmt: skip


def test_a_fleetlock_server_that_refuses_is_asked_again_later() -> None:
    driver = FlowDriver(need=NEW)
    driver.failing[AskServer] = "failed_lock: semaphore is at 0"
    assert not reboots(driver, host(Plan(Strategy.FLEET_LOCK)))
    assert "failed_lock: semaphore is at 0" in driver.reasons
    assert max(driver.waits) <= 300.0


def test_a_version_that_is_replaced_while_waiting_is_not_rebooted_into() -> None:
    driver = FlowDriver(need=NEW)
    store(driver, held_by_b())

    def replaced(effect: Effect) -> None:
        if isinstance(effect, Await):
            driver.facts = replace(driver.facts, need=Need("1.2"))
            store(driver, Semaphore())

    driver.when = replaced
    assert reboots(driver, host())
    assert stored(driver).details[A].to_version == "1.2"


def test_a_place_locked_by_hand_is_used() -> None:
    driver = FlowDriver(need=NEW)
    mine = Semaphore().lock(A, Holder(by="locksmithctl", boot_id="boot-1"), ME.ours)
    assert isinstance(mine, Semaphore)
    store(driver, mine)
    assert reboots(driver, host())
    assert stored(driver).free == 0


def test_pauses_look_at_the_need_again() -> None:
    driver = FlowDriver(need=NEW)
    driver.facts = replace(driver.facts, inhibitors=("x",))

    def gone(effect: Effect) -> None:
        if isinstance(effect, Pause):
            driver.facts = replace(driver.facts, need=None)

    driver.when = gone
    assert driver.run(coordinate(host())) == "no reboot is wanted"


def test_a_disarmed_version_that_stays_armed_is_not_asked_for_in_a_hurry() -> None:
    driver = FlowDriver(need=NEW)
    store(driver, Semaphore(), Rollout().with_failure("1.1", B, Halt(1, "node2", "it fell back")))
    driver.failing[Disarm] = "busy"
    assert not reboots(driver, host())
    assert "busy" in driver.reasons
    assert min(driver.waits) >= 5.0


def test_a_host_whose_entry_was_removed_enters_the_queue_again_before_it_asks() -> None:
    driver = FlowDriver(need=NEW)
    entries: list[int] = []

    def remove(commit: Commit) -> None:
        if not taking(commit):
            return
        conditions = {one.key: one.mod_revision for one in commit.transaction.conditions}
        entries.append(conditions[KEYS.waiting_of(A)])
        if len(entries) == 1:
            driver.store.delete(KEYS.waiting_of(A))

    driver.answers = remove
    assert reboots(driver, host())
    assert len(entries) == 2
    assert all(entries)


def test_no_place_is_taken_by_what_was_decided_before_a_halt() -> None:
    driver = FlowDriver(need=NEW)

    def halt(commit: Commit) -> None:
        if taking(commit):
            rollout = Rollout().with_stage("1.1", Stage.HALTED, Halt(1, "operator", "stop"))
            driver.store.put(KEYS.rollout, rollouts.encode(rollout))

    store(driver, Semaphore(), Rollout())
    driver.answers = halt
    assert not reboots(driver, host())
    assert "Prepare" not in driver.did
