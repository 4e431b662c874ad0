"""Small values that lie in keys: entries of the queue, failures; and pauses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locksmith.core import failure, waiting
from locksmith.core.backoff import seconds_before_look, seconds_before_retry, spread_delay
from locksmith.core.failure import Failure
from locksmith.core.guards import Plan
from locksmith.core.waiting import Waiter
from osmodel.faults import InvalidInput

LUCK = st.floats(0, 1, exclude_max=True)


def test_an_entry_of_the_queue_is_read_as_it_was_written() -> None:
    entry = Waiter("a", 5, "node1", "boot", "1.1")
    assert waiting.parse("a", waiting.encode(entry)) == entry


@given(st.binary(max_size=60))
def test_a_damaged_entry_is_an_entry(value: bytes) -> None:
    assert waiting.parse("a", value).machine == "a"


def test_a_failure_is_read_as_it_was_written() -> None:
    one = Failure("a", "node1", 5, "1.1", "f" * 64, "1.0", "it fell back", "one\ntwo")
    assert failure.parse("a", failure.encode(one)) == one


def test_of_a_long_journal_the_end_is_kept() -> None:
    one = Failure("a", "node1", 5, "1.1", "", "1.0", "x", "begin " + "x" * 9000 + " end")
    kept = failure.parse("a", failure.encode(one)).excerpt
    assert kept.endswith(" end")
    assert len(kept) == 3000


def test_a_failure_cannot_move_the_cursor_of_who_reads_it() -> None:
    one = Failure("a", "x\x1b[2J", 5, "1.1", "", "1.0", "y\x07", "z\x1b[0m\nnext")
    found = failure.parse("a", failure.encode(one))
    assert not any("\x1b" in text or "\x07" in text for text in (found.host, found.reason))
    assert found.excerpt == "z\ufffd[0m\nnext"


@given(st.binary(max_size=60))
def test_a_damaged_failure_says_so(value: bytes) -> None:
    assert failure.parse("a", value).machine == "a"


@given(st.integers(1, 10**9), LUCK)
def test_retries_are_between_five_seconds_and_five_minutes_apart(attempt: int, luck: float) -> None:
    assert 5.0 <= seconds_before_retry(attempt, luck) <= 300.0


def test_retries_of_a_fleet_are_apart() -> None:
    assert len({seconds_before_retry(1, luck / 10) for luck in range(10)}) == 10


@given(st.integers(0, 256), LUCK)
def test_who_is_further_behind_looks_more_rarely(ahead: int, luck: float) -> None:
    assert seconds_before_look(ahead, luck) >= 225.0
    assert seconds_before_look(ahead + 1, luck) >= seconds_before_look(ahead, luck)


def test_a_reboot_is_spread_over_the_time_and_the_window_that_is_left() -> None:
    assert spread_delay(600, None, 0.5) == 300.0
    assert spread_delay(600, 100.0, 0.5) == 40.0
    assert spread_delay(600, 0.0, 0.9) == 0.0


@pytest.mark.parametrize("seconds", [-1, 10**9])
def test_times_that_mean_nothing_are_refused(seconds: int) -> None:
    with pytest.raises(InvalidInput, match="spread_s"):
        Plan(spread_s=seconds)
    with pytest.raises(InvalidInput, match="min_interval_s"):
        Plan(min_interval_s=seconds)
    with pytest.raises(InvalidInput, match="login_delay_s"):
        Plan(login_delay_s=seconds)
