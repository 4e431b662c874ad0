"""Canaries, error budget, halts: who may boot a version."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locksmith.core.rollout import Halt, Leave, Policy, Rollout, Stage, encode, parse
from osmodel.faults import InvalidInput, UntrustedData

NEW, NEWER = "1.1", "1.2"
FELL_BACK = Halt(5, "node1", "it fell back")


def with_policy(canaries: int = 0, budget: int = 1) -> Rollout:
    return Rollout(Policy(canaries, 60, budget))


def may(rollout: Rollout, version: str = NEW, under_way: int = 0) -> Leave:
    return rollout.judge(version, under_way).leave


def test_without_canaries_everybody_may() -> None:
    assert may(with_policy(0), under_way=7) is Leave.GRANTED


def test_only_so_many_hosts_try_before_the_canaries_are_well() -> None:
    rollout = with_policy(2)
    assert may(rollout, under_way=1) is Leave.GRANTED
    assert may(rollout, under_way=2) is Leave.LATER
    assert may(rollout.with_well(NEW, "a"), under_way=1) is Leave.LATER
    assert may(rollout.with_well(NEW, "a").with_well(NEW, "b"), under_way=9) is Leave.GRANTED


def test_the_same_canary_counts_once() -> None:
    twice = with_policy(2).with_well(NEW, "a").with_well(NEW, "a")
    assert twice.release(NEW).well == ("a",)


def test_the_key_changes_no_more_once_the_canaries_are_through() -> None:
    rollout = with_policy(1).with_well(NEW, "a")
    assert rollout.with_well(NEW, "b") == rollout


def test_canaries_of_one_version_say_nothing_about_another() -> None:
    assert may(with_policy(1).with_well(NEW, "a"), NEWER, under_way=1) is Leave.LATER


def test_the_first_failure_halts_the_version_for_all() -> None:
    halted = with_policy().with_failure(NEW, "a", FELL_BACK)
    judged = halted.judge(NEW, 0)
    assert judged.leave is Leave.REFUSED
    assert judged.reason == "version 1.1 is halted: it fell back (node1)"


def test_a_halt_of_one_version_leaves_the_next_one_alone() -> None:
    assert may(with_policy().with_failure(NEW, "a", FELL_BACK), NEWER) is Leave.GRANTED


def test_failures_within_the_budget_do_not_halt() -> None:
    rollout = with_policy(budget=2).with_failure(NEW, "a", FELL_BACK)
    assert may(rollout) is Leave.GRANTED
    assert may(rollout.with_failure(NEW, "a", FELL_BACK)) is Leave.GRANTED
    assert may(rollout.with_failure(NEW, "b", FELL_BACK)) is Leave.REFUSED


def test_a_canary_that_failed_is_none() -> None:
    rollout = with_policy(1, budget=2).with_well(NEW, "a").with_failure(NEW, "a", FELL_BACK)
    assert may(rollout, under_way=1) is Leave.LATER


def test_resuming_forgives_the_failures() -> None:
    halted = with_policy().with_failure(NEW, "a", FELL_BACK)
    resumed = halted.with_stage(NEW, Stage.OPEN, Halt(9, "operator", "resumed"))
    assert may(resumed) is Leave.GRANTED
    assert may(resumed.with_failure(NEW, "b", FELL_BACK)) is Leave.REFUSED


def test_an_abandoned_version_is_refused() -> None:
    decision = Halt(9, "operator", "bad kernel")
    assert may(Rollout().with_stage(NEW, Stage.ABANDONED, decision)) is Leave.REFUSED


def test_a_late_failure_does_not_turn_an_abandoned_version_into_a_halted_one() -> None:
    decision = Halt(9, "operator", "bad kernel")
    rollout = Rollout().with_stage(NEW, Stage.ABANDONED, decision)
    assert rollout.with_failure(NEW, "a", FELL_BACK).release(NEW).stage is Stage.ABANDONED


def test_a_halted_group_boots_nothing_and_keeps_what_it_has_installed() -> None:
    halted = with_policy().with_halt(FELL_BACK)
    assert may(halted) is Leave.LATER
    assert may(halted, "") is Leave.LATER
    assert may(halted.with_halt(None)) is Leave.GRANTED


def test_a_plain_reboot_needs_no_version() -> None:
    assert may(with_policy(3), "", under_way=5) is Leave.GRANTED


def test_a_halt_outlives_many_later_versions() -> None:
    rollout = with_policy().with_failure(NEW, "a", FELL_BACK)
    for number in range(40):
        rollout = rollout.with_well(f"2.{number}", "a")
        rollout = rollout.with_stage(f"2.{number}", Stage.OPEN, FELL_BACK)
    assert may(rollout) is Leave.REFUSED
    assert len(rollout.releases) <= 16


@pytest.mark.parametrize("fields", [{"canaries": -1}, {"soak_s": 10**9}, {"budget": 0}])
def test_a_policy_that_means_nothing_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(fields))):
        Policy(**fields)


MACHINES = st.lists(st.sampled_from("abcd"), max_size=3, unique=True).map(tuple)


@given(
    st.integers(0, 3), st.integers(1, 3), st.lists(st.sampled_from([NEW, NEWER]), max_size=4),
    st.sampled_from("abcd"),
)  # fmt: skip
def test_what_is_written_is_read(canaries: int, budget: int, bad: list[str], host: str) -> None:
    rollout = Rollout(Policy(canaries, 5, budget), others={"more": 1}).with_well(NEW, host)
    for version in bad:
        rollout = rollout.with_failure(version, host, FELL_BACK)
    assert parse(encode(rollout)) == rollout
    assert parse(encode(rollout.with_halt(FELL_BACK))) == rollout.with_halt(FELL_BACK)


def damaged(**fields: object) -> bytes:
    return json.dumps({**json.loads(encode(Rollout())), **fields}).encode()


@pytest.mark.parametrize(
    "value",
    [
        b"", b"x", b"[]", b"{}", damaged(format=2), damaged(releases=None), damaged(releases=[7]),
        damaged(releases=[{"version": "1", "stage": "odd"}]), damaged(policy={"budget": 0}),
        damaged(policy={"canaries": "1"}), b"x" * (1 << 19),
    ],
)  # fmt: skip
def test_a_damaged_roll_out_is_refused_since_a_halt_may_be_in_it(value: bytes) -> None:
    with pytest.raises(UntrustedData, match="the roll-out"):
        parse(value)
