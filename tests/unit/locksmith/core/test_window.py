"""Reboot windows, in both forms and over changes of the clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locksmith.core.window import Window, parse
from osmodel.faults import InvalidInput

BERLIN = "Europe/Berlin"


def zone_of(name: str) -> ZoneInfo:
    return ZoneInfo(name or "UTC")


def window(start: str, length_s: int = 3600, zone: str = "") -> Window:
    return parse(start, length_s, zone, zone_of)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "now", "opens"),
    [
        ("04:00", "2026-03-02 00:00", "2026-03-02 04:00"),
        ("4:0", "2026-03-02 04:00", "2026-03-03 04:00"),
        ("Thu 23:00", "2026-03-02 00:00", "2026-03-05 23:00"),
        ("thu 23:00", "2026-03-06 00:00", "2026-03-12 23:00"),
        ("Mon..Fri 02:00", "2026-03-06 03:00", "2026-03-09 02:00"),
        ("Sat,Sun *-*-* 02:00:30", "2026-03-02 00:00", "2026-03-07 02:00:30"),
        ("*-*-1..7 18:00", "2026-03-08 00:00", "2026-04-01 18:00"),
        ("Sun *-*~7/1 00:30", "2026-03-02 00:00", "2026-03-29 00:30"),
        ("*-*~10/4 00:00", "2026-03-23 00:00", "2026-03-26 00:00"),
        ("*-02~01 05:00", "2026-03-02 00:00", "2027-02-28 05:00"),
        ("2028-02-29 00:00", "2026-03-02 00:00", "2028-02-29 00:00"),
        ("*-02-29 00:00", "2096-03-01 00:00", "2104-02-29 00:00"),
        ("*-*-* 0/6:15", "2026-03-02 01:00", "2026-03-02 06:15"),
        ("hourly", "2026-03-02 01:30", "2026-03-02 02:00"),
        ("weekly", "2026-03-03 00:00", "2026-03-09 00:00"),
        ("quarterly", "2026-03-03 00:00", "2026-04-01 00:00"),
        ("Mon..Fri 02:00 Europe/Berlin", "2026-01-05 00:30", "2026-01-05 01:00"),
        ("daily America/New_York", "2026-01-05 00:00", "2026-01-05 05:00"),
        ("12:00 UTC", "2026-01-05 00:00", "2026-01-05 12:00"),
    ],
)
def test_opens_when_its_words_say(start: str, now: str, opens: str) -> None:
    assert window(start).opens(at(now)) == at(opens)


def test_a_year_that_is_over_never_comes() -> None:
    assert window("2020-01-01 00:00").opens(at("2026-01-01 00:00")) is None


def test_is_open_from_its_start_and_closed_at_its_end() -> None:
    night = window("22:00", 4 * 3600)
    assert night.closes(at("2026-03-02 21:59:59")) is None
    assert night.closes(at("2026-03-02 22:00")) == at("2026-03-03 02:00")
    assert night.closes(at("2026-03-03 01:59:59")) == at("2026-03-03 02:00")
    assert night.closes(at("2026-03-03 02:00")) is None


def test_windows_that_overlap_are_one() -> None:
    assert window("0/1:00", 3600).closes(at("2026-03-02 05:10")) is not None
    assert window("01,02:00", 5400).closes(at("2026-03-02 01:30")) == at("2026-03-02 03:30")


def test_a_time_zone_beside_the_form_of_2014_is_honoured() -> None:
    assert window("04:00", zone=BERLIN).opens(at("2026-07-01 00:00")) == at("2026-07-01 02:00")


def test_a_zone_in_the_expression_wins_over_the_one_beside_it() -> None:
    assert window("04:00 UTC", zone=BERLIN).opens(at("2026-07-01 00:00")) == at("2026-07-01 04:00")


def test_a_start_in_the_hour_that_spring_skips_comes_right_after_it() -> None:
    # On 2026-03-29 Berlin's clocks go from 02:00 to 03:00, which is 01:00 UTC.
    night = window("02:30", 3600, BERLIN)
    assert night.opens(at("2026-03-29 00:00")) == at("2026-03-29 01:00")
    assert night.closes(at("2026-03-29 01:30")) == at("2026-03-29 02:00")


def test_a_start_in_the_hour_that_autumn_repeats_comes_once() -> None:
    # On 2026-10-25 Berlin's clocks go from 03:00 back to 02:00, which is 01:00 UTC.
    night = window("02:30", 1800, BERLIN)
    first = night.opens(at("2026-10-24 12:00"))
    assert first == at("2026-10-25 00:30")
    assert night.opens(first) == at("2026-10-26 01:30")


def test_a_window_over_a_change_of_the_clock_is_as_long_as_any_other() -> None:
    night = window("01:00", 4 * 3600, BERLIN)
    assert night.closes(at("2026-03-29 00:30")) == at("2026-03-29 04:00")


@pytest.mark.parametrize(
    "start",
    [
        "", "25:00", "12:60", "Foo 12:00", "12", "Thu 12:00 13:00 14:00", "12:00 Mars/Base",
        "*-13-01 00:00", "*-*-32 00:00", "Fri..Mon 01:00", "1..0:00", "0/0:00", "5..3:00", ":",
        "*-*-* 12:00.5", "\u0661\u0662:\u0660\u0660", "x" * 300, "Mon,,Tue 01:00",
        "12:00:00:00", "-- 12:00", "~ 12:00", "*-*~1..3/2 12:00", "@5",
    ],
)  # fmt: skip
def test_what_is_no_window_is_refused_by_name(start: str) -> None:
    with pytest.raises(InvalidInput):
        parse(start, 3600, "", known_zones)


def known_zones(name: str) -> ZoneInfo:
    if name not in ("", "UTC", BERLIN):
        raise InvalidInput(f"unknown time zone {name!r}")
    return ZoneInfo(name or "UTC")


def test_a_window_without_length_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least 1 second"):
        window("04:00", 0)


@given(st.text(max_size=40))
def test_no_text_ends_in_anything_but_a_window_or_a_refusal(text: str) -> None:
    try:
        found = parse(text, 60, "", known_zones)
    except InvalidInput:
        return
    found.opens(at("2026-03-02 00:00"))


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - made aware below
    st.sampled_from(["UTC", BERLIN, "America/New_York", "Pacific/Apia", "Australia/Lord_Howe"]),
    st.integers(0, 23),
    st.integers(0, 59),
)
def test_every_night_has_its_window(now: datetime, zone: str, hour: int, minute: int) -> None:
    nightly = window(f"{hour:02}:{minute:02}", 600, zone)
    moment = now.replace(tzinfo=UTC)
    opens = nightly.opens(moment)
    assert opens is not None
    assert timedelta(0) < opens - moment <= timedelta(hours=27)
    assert nightly.closes(opens) == opens + timedelta(seconds=600)
