"""After a boot: what is given back, what is told, what is kept."""

from dataclasses import replace

import pytest

from locksmith.core import failure as failures
from locksmith.core import rollout as rollouts
from locksmith.core import semaphore as semaphores
from locksmith.core.afterboot import after_boot
from locksmith.core.effects import Commit, Effect, LookBack, Me, Pause, Phase, Record, Trouble
from locksmith.core.guards import Plan, Strategy
from locksmith.core.keys import GroupKeys
from locksmith.core.rebooting import Host
from locksmith.core.rollout import Policy, Rollout, Stage
from locksmith.core.semaphore import Holder, Semaphore
from tests.fakes.flowdriver import EndOfPatience, FlowDriver

A, B = "a" * 32, "b" * 32
KEYS = GroupKeys()
ME = Me(A, "node1", "boot-2", frozenset({"boot-1"}))
RECORD = Record("boot-1", 5, "1.0", "1.1", "f" * 64)
LOCK = Plan(Strategy.ETCD_LOCK)


def host(record: Record | None = RECORD, plan: Plan = LOCK) -> Host:
    return Host(ME, plan, KEYS, record)


def came_back(runs: str, holder: Holder | None = None, policy: Policy | None = None) -> FlowDriver:
    """A host that held a place over its reboot."""
    driver = FlowDriver(runs=runs)
    known = holder or Holder(5, "node1", "boot-1", "1.0", "1.1", "locksmithd")
    taken = Semaphore().lock(A, known, frozenset({known.boot_id}))
    assert isinstance(taken, Semaphore)
    driver.store.put(KEYS.semaphore, semaphores.encode(taken))
    driver.store.put(KEYS.rollout, rollouts.encode(Rollout(policy or Policy(1, 60, 1))))
    return driver


def semaphore(driver: FlowDriver) -> Semaphore:
    return semaphores.parse(driver.store.value(KEYS.semaphore) or b"")


def rollout(driver: FlowDriver) -> Rollout:
    return rollouts.parse(driver.store.value(KEYS.rollout) or b"")


def test_the_place_is_given_back_by_a_machine_that_runs_what_it_meant_to_run() -> None:
    driver = came_back("1.1")
    assert driver.run(after_boot(host())) == "well with 1.1"
    assert semaphore(driver) == Semaphore()
    assert rollout(driver).release("1.1").well == (A,)
    assert driver.record == replace(RECORD, concluded=True)


def test_it_is_given_back_only_after_the_soak_time() -> None:
    driver = came_back("1.1", policy=Policy(soak_s=600))
    kept: list[bool] = []

    def look(effect: Effect) -> None:
        if isinstance(effect, Pause):
            kept.append(A in semaphore(driver).holders)

    driver.when = look
    driver.run(after_boot(host()))
    assert driver.waits == [600.0]
    assert kept == [True]


def test_a_machine_that_becomes_unhealthy_while_it_soaks_keeps_its_place() -> None:
    driver = came_back("1.1")
    looks = [0]

    def sicken(effect: Effect) -> None:
        if isinstance(effect, LookBack):
            looks[0] += 1
            driver.aftermath = replace(driver.aftermath, well=looks[0] == 1)

    driver.when = sicken
    with pytest.raises(EndOfPatience):
        driver.run(after_boot(host()))
    assert semaphore(driver).holders == (A,)


def test_a_boot_that_is_not_complete_gives_nothing_back() -> None:
    driver = came_back("1.1")
    driver.aftermath = replace(driver.aftermath, well=False)
    with pytest.raises(EndOfPatience):
        driver.run(after_boot(host()))
    assert semaphore(driver).holders == (A,)
    assert driver.activities[-1].phase is Phase.LOOKING_BACK


def test_a_machine_that_fell_back_keeps_its_place_and_halts_the_version() -> None:
    driver = came_back("1.0")
    driver.aftermath = replace(
        driver.aftermath, reason="health check 30-app failed", excerpt="app: boom"
    )
    driver.run(after_boot(host()))
    assert semaphore(driver).holders == (A,)
    assert semaphore(driver).details[A].failed == "fell back from 1.1"
    release = rollout(driver).release("1.1")
    assert (release.stage, release.failed) == (Stage.HALTED, (A,))
    told = failures.parse(A, driver.store.value(KEYS.failure_of(A)) or b"")
    assert (told.host, told.version, told.root_hash, told.runs, told.reason, told.excerpt) == (
        "node1", "1.1", "f" * 64, "1.0", "health check 30-app failed", "app: boom",
    )  # fmt: skip


def test_a_failure_is_told_once() -> None:
    driver = came_back("1.0")
    driver.run(after_boot(host()))
    revision = driver.store.revision
    driver.run(after_boot(host(driver.record)))
    assert rollout(driver).release("1.1").failed == (A,)
    assert driver.store.revision <= revision + 1  # it left the queue, in which it was not


def test_a_version_that_the_engine_gave_up_is_a_failure_even_if_the_store_forgot_it() -> None:
    driver = came_back("1.0", Holder())
    driver.aftermath = replace(driver.aftermath, reason="it never reached userspace")
    driver.run(after_boot(host()))
    assert rollout(driver).release("1.1").stage is Stage.HALTED


def test_after_a_power_cut_before_the_record_the_note_in_the_store_tells_the_intention() -> None:
    driver = came_back("1.0")
    driver.run(after_boot(host(record=None)))
    assert rollout(driver).release("1.1").stage is Stage.HALTED
    assert semaphore(driver).holders == (A,)


def test_a_newer_version_than_the_one_that_was_meant_is_no_failure() -> None:
    driver = came_back("1.2")
    driver.run(after_boot(host()))
    assert semaphore(driver) == Semaphore()
    assert not rollout(driver).release("1.1").failed


def test_a_place_of_a_plain_reboot_is_given_back() -> None:
    driver = came_back("1.0", Holder(5, "node1", "boot-1", by="locksmithctl"))
    assert driver.run(after_boot(host(record=None))) == "well"
    assert semaphore(driver) == Semaphore()


def test_a_place_that_was_taken_in_this_boot_is_kept() -> None:
    driver = came_back("1.0", Holder(boot_id="boot-2"))
    assert driver.run(after_boot(host(record=None))) == "nothing to look back at"
    assert semaphore(driver).holders == (A,)


def test_the_place_of_another_machine_with_the_same_id_is_kept() -> None:
    driver = came_back("1.1", Holder(boot_id="boot of the other"))
    driver.run(after_boot(host(record=None)))
    assert semaphore(driver).holders == (A,)


def test_a_machine_of_2014_gives_its_place_back_when_it_is_well() -> None:
    driver = FlowDriver(runs="1.1")
    driver.store.put(KEYS.semaphore, b'{"semaphore":0,"max":1,"holders":["%s"]}' % A.encode())
    driver.run(after_boot(host(record=None)))
    assert semaphore(driver) == Semaphore()


def test_an_unreachable_store_is_asked_until_it_answers() -> None:
    driver = came_back("1.1")
    left = [5]

    def sometimes(_: Commit) -> Trouble | None:
        left[0] -= 1
        return Trouble("no answer", unknown=True) if left[0] >= 0 else None

    driver.answers = sometimes
    driver.run(after_boot(host()))
    assert semaphore(driver) == Semaphore()
    assert driver.waits[:5] == [5.0, 10.0, 20.0, 40.0, 80.0]


def test_garbage_in_the_key_is_not_written_over() -> None:
    driver = came_back("1.1")
    driver.store.put(KEYS.semaphore, b"garbage")
    with pytest.raises(EndOfPatience):
        driver.run(after_boot(host()))
    assert driver.store.value(KEYS.semaphore) == b"garbage"


def test_a_damaged_file_of_its_own_does_not_hold_a_machine_that_asks_nobody() -> None:
    driver = FlowDriver(runs="1.1")
    driver.store.put(KEYS.rollout, b"garbage")
    driver.run(after_boot(host(plan=Plan(Strategy.REBOOT))))
    assert driver.record == replace(RECORD, concluded=True)


def test_a_single_machine_keeps_its_own_record_of_a_failure() -> None:
    driver = FlowDriver(runs="1.0")
    driver.run(after_boot(host(plan=Plan(Strategy.REBOOT))))
    assert rollout_or_new(driver).release("1.1").stage is Stage.HALTED


def rollout_or_new(driver: FlowDriver) -> Rollout:
    value = driver.store.value(KEYS.rollout)
    return rollouts.parse(value) if value else Rollout()


def test_a_fleetlock_server_is_told_only_when_the_version_runs() -> None:
    for runs, told in (("1.1", ["Undo", "AskServer steady-state"]), ("1.0", ["Undo"])):
        driver = FlowDriver(runs=runs)
        driver.run(after_boot(host(plan=Plan(Strategy.FLEET_LOCK))))
        assert driver.did == told


def test_a_host_that_booted_is_not_in_the_queue_any_more() -> None:
    driver = came_back("1.1")
    driver.store.put(KEYS.waiting_of(A), b"{}")
    driver.run(after_boot(host()))
    assert driver.store.value(KEYS.waiting_of(A)) is None


def test_the_programs_of_after_reboot_run_when_the_machine_is_well_or_fell_back() -> None:
    for runs in ("1.1", "1.0"):
        driver = came_back(runs)
        driver.run(after_boot(host()))
        assert "Undo" in driver.did
