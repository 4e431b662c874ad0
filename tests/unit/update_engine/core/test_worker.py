"""A run of the worker as stories, and its diagram."""

from typing import get_args

import pytest

from tests.fakes.page import arrows
from update_engine import worker
from update_engine.core.worker import (
    WRITE_ATTEMPTS,
    Armed,
    AskForReboot,
    AskRepository,
    BackOff,
    Candidate,
    CheckDue,
    Checking,
    Effect,
    Event,
    Idle,
    NothingNew,
    OfferFound,
    OnTrial,
    SlotArmed,
    State,
    StepFailed,
    Wait,
    WriteAndArm,
    WriteBlocked,
    Writing,
    step,
)

NEW = Candidate("1.0.1", "ab" * 32)
EVENTS: tuple[Event, ...] = (
    CheckDue(),
    NothingNew(),
    OfferFound(NEW),
    SlotArmed(),
    WriteBlocked(),
    StepFailed("transient"),
    StepFailed("host"),
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


def test_a_line_that_stays_broken_ends_the_run() -> None:
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


def test_a_reboot_request_that_could_not_be_left_changes_nothing() -> None:
    assert after(*ARMED, FAILS) == (Armed(NEW), ())


def test_nothing_is_installed_during_a_trial() -> None:
    assert step(OnTrial(NEW), CheckDue()) == (OnTrial(NEW), ())


def edges() -> set[str]:
    """Every transition from the states in which a run begins, as Mermaid lines."""
    found: set[str] = set()
    seen: set[State] = set()
    todo: list[State] = [Idle(), Armed(NEW), OnTrial(NEW)]
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
            found.add(f"{names[0]} --> {names[1]}: {names[2]}")
            todo.append(next_state)
    return found


def test_the_page_shows_exactly_the_transitions_of_the_code() -> None:
    assert arrows("update-engine.md", "One run of the worker") == edges()


def test_every_effect_is_performed_by_the_worker() -> None:
    performed = set(worker._Run.PERFORMED) | {Wait}
    assert performed == set(get_args(Effect))


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
