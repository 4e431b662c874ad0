"""What the engine remembers, and what it says about it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmodel.faults import HostFailure, InvalidInput
from update_engine.core.enginestate import (
    MAX_TEXT,
    EngineState,
    FailedCheck,
    Problem,
    Quarantined,
    Success,
    Target,
    encode,
    parse,
)
from update_engine.core.explanation import Situation, explain

OLD, NEW = "aa" * 32, "bb" * 32
FULL = EngineState(
    floor="1.0.0",
    writing=Target("1.0.2", NEW, "b", "boot", 5, 7),
    armed=Target("1.0.1", NEW, "b", "boot", 5, 7),
    quarantined=(Quarantined("1.0.3", OLD, "it panicked", 6, "/failures/1"),),
    failed_check=FailedCheck(NEW, "boot", "20-network", "no address"),
    successes=(Success("1.0.0", OLD, 4),),
    last_checked=8,
    failures=2,
    not_before=9,
    last_error=Problem("transient", "the mirror is down", "wait", 7),
    objections=("1.0.3 is quarantined",),
)


@pytest.mark.parametrize("state", [EngineState(), FULL])
def test_reading_undoes_writing(state: EngineState) -> None:
    assert parse(encode(state)) == state


def changed(**fields: object) -> str:
    return json.dumps({**json.loads(encode(FULL)), **fields})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"format": 1}',
        changed(format=2),
        changed(floor=1),
        changed(floor="one"),
        changed(armed=[]),
        changed(armed={"version": "1.0.1"}),
        changed(last_checked=True),
        changed(last_checked=-1),
        changed(quarantined=[{}]),
        changed(quarantined=7),
        changed(objections=[1]),
        "[" * 20000,
        " " * (MAX_TEXT + 1),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse(text)


@given(st.text(max_size=200))
def test_random_text_is_never_a_bug(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse(text)


def test_the_floor_only_rises() -> None:
    state = EngineState(floor="1.0.10").blessed(Success("1.0.9", OLD, 1))
    assert state.floor == "1.0.10"
    assert state.blessed(Success("1.1.0", NEW, 2)).floor == "1.1.0"
    assert EngineState().blessed(Success("1.0.0", OLD, 1)).floor == "1.0.0"


def test_a_blessing_ends_the_trial() -> None:
    state = FULL.blessed(Success("1.0.1", NEW, 10))
    assert (state.armed, state.writing, state.failed_check) == (None, None, None)
    assert state.successes[-1] == Success("1.0.1", NEW, 10)


def test_a_version_is_in_quarantine_once_with_its_last_reason() -> None:
    again = Quarantined("1.0.3", OLD, "it hung", 9)
    state = FULL.with_quarantined(again)
    assert state.quarantined == (again,)
    assert state.quarantine_of(OLD) == again
    assert state.quarantine_of(NEW) is None


def test_an_operator_can_let_a_version_try_again() -> None:
    assert FULL.without_quarantine("1.0.3").quarantined == ()
    assert FULL.without_quarantine("1.0.4") == FULL


def test_what_is_kept_does_not_grow_for_ever() -> None:
    state = EngineState()
    for number in range(100):
        state = state.with_quarantined(Quarantined("1.0", f"{number:064x}", "x" * 300, number))
        state = state.blessed(Success("1.0", f"{number:064x}", number))
    assert len(state.quarantined) == 32
    assert len(state.successes) == 16
    assert len(encode(state)) < 32 * 1024


def test_only_the_first_line_of_a_fault_is_kept() -> None:
    problem = EngineState().with_problem(HostFailure("exit 1: mount\nlong\ntail"), 3).last_error
    assert problem == Problem("host", "exit 1: mount", "", 3)


def why(state: EngineState, **changes: object) -> str:
    facts: dict[str, object] = {
        "version": "1.0.0",
        "root_hash": OLD,
        "health": "healthy",
        "failed_check": "",
        "problems": (),
        "enabled": True,
        "url": "https://mirror",
        "now": 100,
        **changes,
    }
    return "\n".join(explain(Situation(**facts, state=state)))  # type: ignore[arg-type] # by name


def test_why_names_the_day_the_version_came_up() -> None:
    text = why(EngineState(successes=(Success("1.0.0", OLD, 86400),)))
    assert "runs 1.0.0, which came up healthy on 1970-01-02 00:00 UTC" in text


def test_why_tells_of_a_trial() -> None:
    state = EngineState(armed=Target("1.0.0", OLD, "b", "boot", 0))
    assert "on trial" in why(state, health="pending")
    assert "have not ended yet" in why(state, health="pending")


def test_why_tells_that_a_blessed_machine_is_unhealthy_and_stays_up() -> None:
    text = why(EngineState(), health="unhealthy", failed_check="20-network: no address")
    assert "It is unhealthy: 20-network: no address." in text


def test_why_tells_of_an_armed_version_and_of_nothing_else() -> None:
    state = EngineState(armed=Target("1.0.1", NEW, "b", "boot", 0), objections=("no",))
    assert "Version 1.0.1 is installed and starts at the next reboot." in why(state)
    assert "Not installed" not in why(state)


@pytest.mark.parametrize(
    ("state", "changes", "sentence"),
    [
        (EngineState(), {"enabled": False}, "Updates are turned off"),
        (EngineState(), {"url": ""}, "No repository is configured"),
        (EngineState(), {}, "has not been asked yet"),
        (EngineState(last_checked=60), {}, "had nothing newer on 1970-01-01 00:01 UTC"),
        (
            EngineState(successes=(Success("1.0.1", NEW, 61),), last_checked=60),
            {},
            "was last asked",
        ),
        (EngineState(last_checked=60, objections=("1.0.1 is bad",)), {}, "Not installed: 1.0.1"),
        (FULL, {"root_hash": NEW}, "The last run failed on"),
        (FULL, {"root_hash": NEW}, "What helps: wait."),
        (FULL, {"root_hash": NEW, "now": 1}, "not before 1970-01-01 00:00 UTC"),
    ],
)
def test_why_names_what_keeps_updates_away(
    state: EngineState, changes: dict[str, object], sentence: str
) -> None:
    assert sentence in why(state, **changes)


def test_an_error_without_advice_gives_none() -> None:
    state = EngineState(last_error=Problem("host", "disk full", "", 1))
    assert "What helps" not in why(state)


def test_why_tells_what_failed_and_where_its_journal_is() -> None:
    text = why(FULL, root_hash=NEW)
    assert "Version 1.0.3 failed and was quarantined on 1970-01-01 00:00 UTC: it panicked." in text
    assert "The journals of its failed boots are in /failures/1." in text


def test_a_failure_without_version_or_journal_is_told_all_the_same() -> None:
    state = EngineState(quarantined=(Quarantined("", NEW, "it panicked", 1),))
    assert f"Version {NEW[:16]} failed and was quarantined" in why(state)
    assert "journals" not in why(state)
