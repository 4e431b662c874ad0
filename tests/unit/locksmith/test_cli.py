"""``locksmithctl``: words in, text and exit status out."""

import io
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from hostio.keyvalue.port import UnknownOutcome
from locksmith.cli import run
from locksmith.core import failure as failures
from locksmith.core import rollout as rollouts
from locksmith.core import semaphore as semaphores
from locksmith.core import waiting
from locksmith.core.effects import Me
from locksmith.core.failure import Failure
from locksmith.core.keys import GroupKeys
from locksmith.core.rollout import Halt, Rollout, Stage
from locksmith.core.semaphore import Holder, Semaphore
from locksmith.core.waiting import Waiter
from locksmith.settings import Settings
from locksmith.world import LocksmithWorld
from osmodel.faults import TransientFailure
from osmodel.keyvalue import Outcome, Transaction
from tests.fakes.clock import StoppedClock
from tests.fakes.rametcd import RamEtcd
from tests.fakes.ramfile import RamFile

A, B, C = "a" * 32, "b" * 32, "c" * 32


class Terminal:
    """One person, one machine, one store."""

    def __init__(self) -> None:
        self.store = RamEtcd()
        self.asked = RamFile()
        self.out, self.err = io.StringIO(), io.StringIO()
        self.environment: dict[str, str] = {}
        self.ask: Callable[[str], str] | None = None
        self.is_terminal = False
        self.settings = Settings()
        self.me = Me(A, "node1", "boot-1")

    def run(self, *words: str) -> int:
        self.out.seek(0), self.out.truncate()
        self.err.seek(0), self.err.truncate()
        return run(
            words, self.environment, lambda: self.settings, self._world, (self.out, self.err)
        )

    def _world(self, settings: Settings) -> LocksmithWorld:
        self.settings = settings
        return LocksmithWorld(
            lambda: self.store, GroupKeys(settings.reboot.group), self.me, self.asked,
            StoppedClock(), lambda: 0.0, self.out, self.err, self.is_terminal, self.ask,
        )  # fmt: skip

    @property
    def printed(self) -> str:
        return self.out.getvalue()

    @property
    def said(self) -> str:
        return self.err.getvalue()

    def places(self, group: str = "") -> Semaphore:
        return semaphores.parse(self.store.value(GroupKeys(group).semaphore) or b"")

    def put(self, semaphore: Semaphore, rollout: Rollout | None = None) -> None:
        self.store.put(GroupKeys().semaphore, semaphores.encode(semaphore))
        if rollout:
            self.store.put(GroupKeys().rollout, rollouts.encode(rollout))


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def test_status_prints_what_it_printed_in_2014(terminal: Terminal) -> None:
    assert terminal.run("status") == 0
    assert terminal.printed == "Available: 1\nMax: 1\n"
    terminal.run("lock")
    terminal.run("status")
    assert terminal.printed == f"Available: 0\nMax: 1\n\nMACHINE ID\n{A}\n"


def test_set_max_prints_what_it_really_printed(terminal: Terminal) -> None:
    assert terminal.run("set-max", "4") == 0
    assert terminal.printed == "Old-Max: 1\nMax: 4\n"
    assert terminal.places() == Semaphore(4, 4)


@pytest.mark.parametrize(
    "words", [(), ("4", "5"), ("-1",), ("x",), ("1e3",), ("9" * 30,), ("\u0664",)]
)
def test_a_number_of_places_that_is_none_changes_nothing(
    terminal: Terminal, words: tuple[str, ...]
) -> None:
    assert terminal.run("set-max", *words) in (1, 2)
    assert terminal.said.count("\n") == 1
    assert not terminal.store.keys


def test_lock_and_unlock_of_this_machine_can_be_repeated(terminal: Terminal) -> None:
    assert [terminal.run("lock"), terminal.run("lock")] == [0, 0]
    assert terminal.places().details[A].host == "node1"
    assert [terminal.run("unlock"), terminal.run("unlock")] == [0, 0]
    assert terminal.places() == Semaphore()


def test_a_lock_is_noted_before_it_is_taken(terminal: Terminal) -> None:
    terminal.run("lock")
    assert json.loads(terminal.asked.read() or "") == ["boot-1"]


def test_no_place_is_left(terminal: Terminal) -> None:
    terminal.run("lock", B)
    assert terminal.run("lock") == 1
    assert terminal.said == "Error locking: semaphore is at 0\n"


def test_another_machine_that_holds_a_place_exists_already(terminal: Terminal) -> None:
    terminal.run("set-max", "2")
    assert terminal.run("lock", B) == 0
    assert terminal.run("lock", B) == 1
    assert terminal.said == "Error locking: holder exists\n"


def test_a_machine_that_holds_none_does_not_exist(terminal: Terminal) -> None:
    assert terminal.run("unlock", B) == 1
    assert terminal.said == "Error unlocking: holder does not exist\n"


def held_by_b(terminal: Terminal) -> None:
    known = Holder(1767200000, "node2", "boot-b", "1.0", "1.1", "locksmithd")
    taken = Semaphore().lock(B, known, frozenset({"boot-b"}))
    assert isinstance(taken, Semaphore)
    terminal.put(taken)


def test_unlocking_another_machine_shows_what_is_known_of_it(terminal: Terminal) -> None:
    held_by_b(terminal)
    assert terminal.run("unlock", B) == 0
    assert "held by node2" in terminal.said
    assert "going from 1.0 to 1.1" in terminal.said
    assert terminal.places().holders == ()


@pytest.mark.parametrize(("answer", "left"), [("y\n", ()), ("\n", (B,)), ("no", (B,))])
def test_a_person_is_asked_first(terminal: Terminal, answer: str, left: tuple[str, ...]) -> None:
    held_by_b(terminal)
    terminal.ask = lambda _: answer
    assert terminal.run("unlock", B) == bool(left)
    assert terminal.places().holders == left


def test_force_skips_the_question(terminal: Terminal) -> None:
    held_by_b(terminal)
    terminal.ask = lambda _: pytest.fail("asked")
    assert terminal.run("unlock", "-force", B) == 0


@pytest.mark.parametrize("machine", ["", "a b", "a/b", "x" * 200])
def test_an_id_that_is_none_is_refused(terminal: Terminal, machine: str) -> None:
    for verb in ("lock", "unlock"):
        assert terminal.run(verb, machine) == 1
        assert "not a machine id" in terminal.said
    assert not terminal.store.keys


def test_a_machine_without_an_id_says_so(terminal: Terminal) -> None:
    terminal.me = replace(terminal.me, id="")
    assert terminal.run("lock") == 1
    assert "Cannot read machine-id" in terminal.said


def test_no_subcommand_is_help(terminal: Terminal) -> None:
    assert terminal.run() == 0
    assert "Manage the cluster wide reboot lock." in terminal.printed
    assert terminal.run("help", "lock") == 0
    assert "lock - Lock this machine" in terminal.printed
    assert terminal.run("help", "nonsense") == 1


def test_an_unknown_subcommand_is_two(terminal: Terminal) -> None:
    assert terminal.run("frobnicate") == 2
    assert terminal.printed == (
        "locksmithctl: unknown subcommand: \"frobnicate\"\nRun 'locksmithctl help' for usage.\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("-nonsense", "status"), ("--group",), ("-debug=maybe", "status"), ("---x", "status"),
        ("status", "-nonsense"), ("-=x", "status"),
    ],
)  # fmt: skip
def test_bad_flags_are_two(terminal: Terminal, words: tuple[str, ...]) -> None:
    assert terminal.run(*words) == 2
    assert terminal.said.count("\n") == 1


@pytest.mark.parametrize(
    "words", [("-group", "w/1"), ("--group", "w/1"), ("-group=w/1",), ("--group=w/1",)]
)
def test_flags_have_one_dash_or_two(terminal: Terminal, words: tuple[str, ...]) -> None:
    assert terminal.run(*words, "lock") == 0
    assert terminal.places("w/1").holders == (A,)
    assert "coreos.com/updateengine/rebootlock/groups/w%2F1/semaphore" in terminal.store.keys


def test_a_flag_wins_over_the_environment_and_that_over_the_settings(terminal: Terminal) -> None:
    terminal.environment = {"LOCKSMITHCTL_GROUP": "env", "LOCKSMITHCTL_ETCD_CAFILE": "/ca"}
    terminal.run("-group", "flag", "status")
    assert terminal.settings.reboot.group == "flag"
    assert terminal.settings.etcd.ca_file == "/ca"
    terminal.run("status")
    assert terminal.settings.reboot.group == "env"


def test_endpoints_are_repeated_or_listed(terminal: Terminal) -> None:
    terminal.run("-endpoint", "http://a,http://b", "-endpoint=http://c", "status")
    assert terminal.settings.endpoints == ("http://a", "http://b", "http://c")


def test_version_is_printed(terminal: Terminal) -> None:
    assert terminal.run("-version") == 0
    assert terminal.printed.startswith("locksmithctl version")


@pytest.mark.parametrize("value", [b"garbage", b"[]", b'{"semaphore":"1"}', b"x" * (10 << 20)])
def test_garbage_in_the_key_is_one_and_one_line_and_stays(terminal: Terminal, value: bytes) -> None:
    terminal.store.put(GroupKeys().semaphore, value)
    for words in (("status",), ("lock",), ("unlock",), ("set-max", "3"), ("lock", B)):
        assert terminal.run(*words) == 1
        assert terminal.said.count("\n") == 1
        assert "the semaphore" in terminal.said
    assert terminal.store.value(GroupKeys().semaphore) == value


def test_an_unreachable_store_is_one_and_names_the_cause(terminal: Terminal) -> None:
    def unreachable(_: Transaction) -> Outcome:
        raise TransientFailure("no answer from etcd: http://a: refused", hint="is it running?")

    terminal.store.commit = unreachable  # type: ignore[method-assign, assignment]  # it is down
    for words in (("status",), ("lock",), ("unlock",), ("set-max", "3"), ("failures",)):
        assert terminal.run(*words) == 1
        assert "http://a: refused" in terminal.said


def test_a_lock_whose_answer_was_lost_is_read_back(terminal: Terminal) -> None:
    commit = terminal.store.commit

    def unheard(transaction: Transaction) -> Outcome:
        outcome = commit(transaction)
        if transaction.changes:
            raise UnknownOutcome("no answer in time")
        return outcome

    terminal.store.commit = unheard  # type: ignore[method-assign]  # answers are lost
    assert terminal.run("lock") == 0
    assert terminal.places().free == 0
    assert terminal.run("unlock", "-force", A) == 0
    assert terminal.places().free == 1


def test_a_semaphore_that_was_deleted_is_made_anew_by_hand_only(terminal: Terminal) -> None:
    terminal.store.put(GroupKeys().rollout, rollouts.encode(Rollout()))
    assert terminal.run("lock") == 1
    assert "set-max" in terminal.said
    assert terminal.run("set-max", "2") == 0
    assert terminal.run("lock") == 0


def test_a_person_sees_who_holds_and_who_waits(terminal: Terminal) -> None:
    held_by_b(terminal)
    entry = Waiter(C, 1767200500, "node3", "x", "1.1")
    terminal.store.put(GroupKeys().waiting_of(C), waiting.encode(entry))
    terminal.is_terminal = True
    terminal.run("status")
    assert "held by node2 since 2025-12-31" in terminal.printed
    assert "Waiting 1: node3 wants to boot 1.1 since" in terminal.printed


def test_a_place_that_is_held_for_hours_is_pointed_out(terminal: Terminal) -> None:
    held_by_b(terminal)
    terminal.run("status", "-details")
    assert "hours: is it gone for good?" in terminal.printed


def test_status_for_programs(terminal: Terminal) -> None:
    held_by_b(terminal)
    terminal.run("status", "--json")
    found = json.loads(terminal.printed)
    assert (found["available"], found["max"]) == (0, 1)
    assert found["holders"][0]["host"] == "node2"
    assert found["policy"] == {"canaries": 1, "soak_s": 60, "budget": 1}


def failed(terminal: Terminal) -> None:
    """A canary that fell back from 1.1 and keeps its place."""
    held_by_b(terminal)
    halt = Halt(5, "node2", "node2 fell back to 1.0: app")
    noted = terminal.places().with_failure(B, "fell back from 1.1")
    terminal.put(noted, Rollout().with_failure("1.1", B, halt))
    one = Failure(B, "node2", 1767225000, "1.1", "", "1.0", "health check app failed", "boom")
    terminal.store.put(GroupKeys().failure_of(B), failures.encode(one))


def test_failures_are_listed_with_their_reason(terminal: Terminal) -> None:
    failed(terminal)
    assert terminal.run("failures") == 0
    assert terminal.printed == (
        "2025-12-31 23:50:00 UTC  node2 went to boot 1.1 (halted) and came back with 1.0:"
        " health check app failed\n    boom\n"
    )
    terminal.run("failures", "-json")
    assert json.loads(terminal.printed)[0]["machine"] == B


def test_resuming_opens_the_version_and_frees_the_places_of_who_failed(terminal: Terminal) -> None:
    failed(terminal)
    assert terminal.run("resume", "1.1") == 0
    assert terminal.places().holders == ()
    value = terminal.store.value(GroupKeys().rollout) or b""
    assert rollouts.parse(value).release("1.1").stage is Stage.OPEN


def test_abandoning_frees_the_places_too_and_keeps_the_reason(terminal: Terminal) -> None:
    failed(terminal)
    assert terminal.run("abandon", "-reason", "bad kernel", "1.1") == 0
    assert terminal.places().holders == ()
    terminal.run("status", "-details")
    assert "Version 1.1 is abandoned: bad kernel (node1)" in terminal.printed


def test_abandoning_needs_a_version(terminal: Terminal) -> None:
    assert terminal.run("abandon") == 1
    assert "which version?" in terminal.said


def test_a_group_is_halted_and_resumed(terminal: Terminal) -> None:
    terminal.run("halt", "-reason", "audit")
    value = terminal.store.value(GroupKeys().rollout) or b""
    assert rollouts.parse(value).halted == Halt(1767225600, "node1", "audit")
    terminal.run("resume")
    value = terminal.store.value(GroupKeys().rollout) or b""
    assert rollouts.parse(value).halted is None


def test_the_policy_is_set_in_part(terminal: Terminal) -> None:
    assert terminal.run("set-rollout", "-canaries", "2", "-soak", "10m") == 0
    assert terminal.printed == "Canaries: 2\nSoak: 600s\nBudget: 1\n"


@pytest.mark.parametrize(
    "words", [(), ("-canaries", "x"), ("-budget", "0"), ("-soak", "1"), ("-canaries", "1000")]
)
def test_a_policy_that_is_none_changes_nothing(terminal: Terminal, words: tuple[str, ...]) -> None:
    assert terminal.run("set-rollout", *words) == 1
    assert not terminal.store.keys
