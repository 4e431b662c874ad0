"""The life of an update as stories, and its diagram."""

import pytest

from tests.checkout import ROOT
from update_engine.core.worker import (
    WRITE_ATTEMPTS,
    Armed,
    AskForReboot,
    AskRepository,
    BackOff,
    Bless,
    CameUp,
    Candidate,
    CheckDue,
    CheckFailed,
    Checking,
    ChecksPassed,
    Effect,
    Event,
    FellBack,
    Idle,
    NothingNew,
    OfferFound,
    OnTrial,
    Quarantine,
    RebootAtOnce,
    SlotArmed,
    State,
    StepFailed,
    Wait,
    Withdrawn,
    WriteAndArm,
    WriteBlocked,
    Writing,
    step,
)

PAGE = ROOT / "docs" / "update-engine.md"
NEW = Candidate("1.0.1", "ab" * 32)
EVENTS: tuple[Event, ...] = (
    CheckDue(),
    NothingNew(),
    OfferFound(NEW),
    SlotArmed(),
    WriteBlocked(),
    StepFailed("transient"),
    StepFailed("host"),
    Withdrawn(),
    CameUp(),
    FellBack("it panicked"),
    ChecksPassed(),
    CheckFailed("20-network"),
)
FAILS = StepFailed("transient")


def after(*events: Event) -> tuple[State, tuple[Effect, ...]]:
    state: State = Idle()
    effects: tuple[Effect, ...] = ()
    for event in events:
        state, effects = step(state, event)
    return state, effects


FOUND = (CheckDue(), OfferFound(NEW))
ARMED = (*FOUND, SlotArmed())


def test_a_check_asks_the_repository() -> None:
    assert after(CheckDue()) == (Checking(), (AskRepository(),))


def test_nothing_new_ends_the_run() -> None:
    assert after(CheckDue(), NothingNew()) == (Idle(), ())


def test_a_failed_check_is_not_repeated_at_once() -> None:
    assert after(CheckDue(), FAILS) == (Idle(), (BackOff(),))


def test_an_offer_is_written() -> None:
    assert after(*FOUND) == (Writing(NEW, 1), (WriteAndArm(NEW),))


def test_a_broken_line_is_tried_again_after_a_pause() -> None:
    assert after(*FOUND, FAILS) == (Writing(NEW, 2), (Wait(1), WriteAndArm(NEW)))


def test_a_line_that_stays_broken_is_given_up() -> None:
    assert after(*FOUND, *[FAILS] * WRITE_ATTEMPTS) == (Idle(), (BackOff(),))


@pytest.mark.parametrize("kind", ["untrusted-data", "host", "invalid-input"])
def test_a_forged_payload_is_never_retried(kind: str) -> None:
    assert after(*FOUND, StepFailed(kind)) == (Idle(), (BackOff(),))


def test_a_blocked_update_is_no_failure() -> None:
    assert after(*FOUND, WriteBlocked()) == (Idle(), ())


def test_an_armed_version_asks_for_a_reboot() -> None:
    assert after(*ARMED) == (Armed(NEW), (AskForReboot(),))


def test_an_armed_slot_is_not_touched_by_later_checks() -> None:
    assert after(*ARMED, CheckDue()) == (Armed(NEW), (AskForReboot(),))


def test_an_operator_can_take_an_armed_version_back() -> None:
    assert after(*ARMED, Withdrawn()) == (Idle(), ())


def test_a_started_version_is_on_trial() -> None:
    assert after(*ARMED, CameUp()) == (OnTrial(NEW), ())


def test_nothing_is_installed_during_a_trial() -> None:
    assert after(*ARMED, CameUp(), CheckDue()) == (OnTrial(NEW), ())


def test_a_healthy_version_is_blessed() -> None:
    assert after(*ARMED, CameUp(), ChecksPassed()) == (Idle(), (Bless(NEW),))


def test_a_failing_trial_reboots_and_stays_on_trial() -> None:
    outcome = after(*ARMED, CameUp(), CheckFailed("20-network"))
    assert outcome == (OnTrial(NEW), (RebootAtOnce("20-network"),))


@pytest.mark.parametrize("tried", [(), (CameUp(),)])
def test_a_version_that_fell_back_is_quarantined(tried: tuple[Event, ...]) -> None:
    outcome = after(*ARMED, *tried, FellBack("it panicked"))
    assert outcome == (Idle(), (Quarantine(NEW, "it panicked"),))


def edges() -> set[str]:
    """Every transition reachable from Idle, as Mermaid lines."""
    found: set[str] = set()
    seen: set[State] = set()
    todo: list[State] = [Idle()]
    while todo:
        state = todo.pop()
        if state in seen:
            continue
        seen.add(state)
        for event in EVENTS:
            try:
                next_state, _ = step(state, event)
            except AssertionError:
                continue
            names = [type(one).__name__ for one in (state, next_state, event)]
            found.add(f"    {names[0]} --> {names[1]}: {names[2]}")
            todo.append(next_state)
    return found


def test_the_page_shows_exactly_the_transitions_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8").splitlines()
    assert {line for line in page if "-->" in line} == edges()


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (Idle(), SlotArmed()),
        (Writing(NEW, 1), NothingNew()),
        (Armed(NEW), SlotArmed()),
        (OnTrial(NEW), OfferFound(NEW)),
    ],
)
def test_an_impossible_event_is_a_bug(state: State, event: Event) -> None:
    with pytest.raises(AssertionError, match="cannot happen"):
        step(state, event)
