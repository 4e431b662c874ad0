"""Durations in the form of Go."""

import pytest

from osmodel.faults import InvalidInput
from osmodel.goduration import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h30m", 5400), ("90s", 90), ("1.5h", 5400), ("+2m", 120), ("1m.5s", 60)]
)
def test_a_duration_is_read_as_go_reads_it(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "0s", "1ms", "1d", "1 h", "9999h", "1" * 99])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_duration(text)
