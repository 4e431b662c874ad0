"""What the engine remembers, and what it says about it."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmodel.faults import HostFailure, InvalidInput
from update_engine.core.backoff import seconds_before_next_run
from update_engine.core.enginestate import (
    MAX_TEXT,
    SIZE,
    EngineState,
    FailedCheck,
    Problem,
    Quarantined,
    Run,
    Success,
    Target,
    encode,
    parse,
)
from update_engine.core.explanation import Situation, explain, moment

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
    last_run=Run("blocked", "1.0.4", "the ESP is too full", "remove files", 9),
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


LONGEST_TEXTS = st.text(st.characters(), min_size=250, max_size=400)


@given(LONGEST_TEXTS, st.sampled_from(["x", "\U0001f600", '"', "\\", "\n", "\ud800", "\u202e"]))
def test_the_longest_state_fits_into_its_file(text: str, filler: str) -> None:
    text = (filler + text)[:400].ljust(400, filler)
    target = Target(text, text, text, text, 2**70, 2**70, text)
    state = EngineState(
        "1.0.0",
        target,
        target,
        tuple(Quarantined(text, text, text, 2**70, text) for _ in range(32)),
        FailedCheck(text, text, text, text),
        tuple(Success(text, text, 2**70, text) for _ in range(16)),
        2**70,
        2**70,
        2**70,
        Problem(text, text, text, 2**70),
        (text,) * 5,
        Run(text, text, text, text, 2**70),
    )
    encoded = encode(state)
    assert len(encoded.encode()) <= SIZE
    assert parse(encoded) == parse(encode(parse(encoded)))


def test_numbers_are_those_that_d_bus_can_carry() -> None:
    state = parse(changed(last_checked=10**30, failures=10**4000, not_before=2**64))
    assert state.last_checked == state.not_before == 2**63 - 1


@pytest.mark.parametrize("text", ["a\nb", "\ud800", "\x1b[2J", "\u2028"])
def test_texts_are_such_that_every_terminal_can_show_them(text: str) -> None:
    (shown,) = parse(changed(objections=[text])).objections
    assert shown.isprintable()
    shown.encode()


NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (EngineState(not_before=NOW + 900), EngineState(not_before=NOW + 900)),
        (EngineState(not_before=NOW - 1), EngineState()),
        (EngineState(not_before=NOW + 13 * 365 * 86400), EngineState()),
        (EngineState(last_checked=NOW - 60), EngineState(last_checked=NOW - 60)),
        (EngineState(last_checked=NOW + 60), EngineState()),
    ],
)
def test_times_that_a_clock_ahead_left_behind_are_void(
    state: EngineState, after: EngineState
) -> None:
    assert state.as_of(NOW) == after


def test_the_longest_back_off_is_not_void() -> None:
    waits = EngineState(not_before=NOW + seconds_before_next_run(100))
    assert waits.as_of(NOW) == waits


def test_a_state_of_an_older_version_is_read() -> None:
    document = json.loads(encode(FULL))
    del document["last_run"]
    for target in ("armed", "writing"):
        del document[target]["uki_sha256"]
    del document["successes"][0]["uki_sha256"]
    assert parse(json.dumps(document)) == replace(FULL, last_run=None)


def test_a_state_is_one_that_an_older_version_reads() -> None:
    """It takes the fields it knows, and no others."""
    document = json.loads(encode(FULL))
    assert document.keys() >= {
        "format", "floor", "writing", "armed", "quarantined", "failed_check", "successes",
        "last_checked", "failures", "not_before", "last_error", "objections",
    }  # fmt: skip
    assert document["armed"].keys() >= {"version", "root_hash", "slot", "boot_id", "at", "size"}


def test_a_blessing_keeps_what_is_known_of_the_kernel_image() -> None:
    state = EngineState(armed=Target("1.0.1", NEW, "b", "boot", 1, 1, "ab" * 32))
    blessed = state.blessed(Success("1.0.1", NEW, 2))
    assert blessed.success_of(NEW) == Success("1.0.1", NEW, 2, "ab" * 32)
    again = blessed.blessed(Success("1.0.1", NEW, 3))
    assert again.success_of(NEW) == Success("1.0.1", NEW, 3, "ab" * 32)


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


BLOCKED = Run("blocked", "1.0.4", "the ESP is too full", "remove files", 60)
FOUND = Run("available", "1.0.4", "", "", 60)


def test_why_tells_that_the_last_run_was_blocked() -> None:
    text = why(EngineState(last_checked=60, last_run=BLOCKED))
    assert "could not install 1.0.4 on 1970-01-01 00:01 UTC: the ESP is too full." in text
    assert "What helps: remove files." in text
    assert "nothing newer" not in text


def test_why_tells_that_an_update_waits() -> None:
    text = why(EngineState(last_checked=60, last_run=FOUND))
    assert "Version 1.0.4 can be installed; it was found on 1970-01-01 00:01 UTC." in text
    assert "nothing newer" not in text


def test_what_runs_is_no_longer_waited_for() -> None:
    assert "can be installed" not in why(EngineState(last_run=FOUND), version="1.0.4")


def test_why_tells_what_could_not_be_used_of_the_settings() -> None:
    text = why(EngineState(), problems=("error: /etc/x.toml: not UTF-8 at byte 0",))
    assert text.endswith("Settings: error: /etc/x.toml: not UTF-8 at byte 0.")


def test_a_time_beyond_every_calendar_is_told_all_the_same() -> None:
    assert moment(2**63 - 1) == "9223372036854775807 s after 1970"


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
