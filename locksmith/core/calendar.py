"""Calendar expressions of systemd: ``Mon..Fri *-*-* 02:00 Europe/Berlin``.

Understood are weekdays, dates with ``-`` and the last-day form ``~``, times,
lists, ranges, steps, the shorthands ``daily``, ``weekly`` ..., and a time zone at
the end. Not understood are fractions of seconds and ``@`` with a number: a window
does not need them.

Daylight saving: a time that a clock passes over counts as the moment after the
gap, a time that comes twice as its first occurrence. A window must not vanish
for a night in spring nor open twice in autumn.

Source: systemd.time(7), "Calendar events", systemd 257.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from osmodel.faults import InvalidInput

_SHORTHANDS = {
    "minutely": "*-*-* *:*:00",
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "yearly": "*-01-01 00:00:00",
    "annually": "*-01-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
    "semiannually": "*-01,07-01 00:00:00",
}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_LONGEST_TEXT = 200  # characters
_MOST_DAYS = 366 * 9  # searched for the next one: a 29 February can be eight years away
_PART = re.compile(r"(?P<first>[0-9]{1,4})(?:\.\.(?P<last>[0-9]{1,4}))?(?:/(?P<step>[0-9]{1,4}))?")
_DATE = re.compile(r"(?:([^-~]+)-)?([^-~]+)([-~])([^-~]+)")


@dataclass(frozen=True, slots=True)
class Calendar:
    """When something begins, in the local time of some zone.

    Attributes:
        weekdays: Monday is 0.
        years: that match; ``None`` for all.
        months: 1 to 12.
        days: of the month, from 1; counted from its end with ``from_end``.
        from_end: whether day 1 is the last of the month.
        times: of a matching day, sorted.
    """

    weekdays: frozenset[int]
    years: frozenset[int] | None
    months: frozenset[int]
    days: frozenset[int]
    from_end: bool
    times: tuple[time, ...]

    def begins_on(self, day: date) -> bool:
        """Whether ``day`` matches."""
        length = calendar.monthrange(day.year, day.month)[1]
        number = length - day.day + 1 if self.from_end else day.day
        return (
            (self.years is None or day.year in self.years)
            and day.month in self.months
            and number in self.days
            and day.weekday() in self.weekdays
        )

    def starts(self, after: datetime, zone: tzinfo) -> Iterator[datetime]:
        """Every start later than ``after``, in order, in UTC; ends after nine years.

        Args:
            after: UTC-aware.
            zone: whose local time is meant.
        """
        # A zone can be a day ahead of or behind UTC, and a gap can shift a start.
        first = after.astimezone(zone).date() - timedelta(days=1)
        for offset in range(_MOST_DAYS):
            day = first + timedelta(days=offset)
            if not self.begins_on(day):
                continue
            found = sorted({_instant(day, at, zone) for at in self.times})
            yield from (one for one in found if one > after)


def _instant(day: date, at: time, zone: tzinfo) -> datetime:
    local = datetime.combine(day, at, tzinfo=zone)  # fold=0: the first of two
    instant = local.astimezone(UTC)
    back = instant.astimezone(zone).replace(tzinfo=None)
    if back == local.replace(tzinfo=None):
        return instant
    # The clock passes over this time. Read with the offset before the gap, it lies
    # behind it by as much as it is missed: the gap ends that much earlier.
    return _end_of_gap(instant, zone)


def _end_of_gap(instant: datetime, zone: tzinfo) -> datetime:
    """The moment at which the clock jumps, within a day before ``instant``."""
    early, late = instant - timedelta(days=1), instant
    offset = late.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            late = middle
        else:
            early = middle
    return late.replace(microsecond=0)


def parse(text: str) -> tuple[Calendar, str]:
    """Read an expression.

    Returns:
        The calendar and the name of the time zone at its end, or an empty name.

    Raises:
        InvalidInput: not such an expression.
    """
    if len(text) > _LONGEST_TEXT:
        raise InvalidInput("too long for a calendar expression")
    words = text.split()
    if not words:
        raise InvalidInput("an empty calendar expression")
    zone = words.pop() if len(words) > 1 and _looks_like_zone(words[-1]) else ""
    if len(words) == 1 and words[0].lower() in _SHORTHANDS:
        words = _SHORTHANDS[words[0].lower()].split()
    try:
        return _calendar(words), zone
    except InvalidInput as fault:
        raise InvalidInput(
            f"not a calendar expression: {text!r}: {fault}",
            hint="such as `Mon..Fri 02:00 Europe/Berlin`; see systemd.time(7)",
        ) from fault


def _calendar(words: list[str]) -> Calendar:
    """Weekdays, a date and a time; each can be left out."""
    weekdays, dated, clock = frozenset(range(7)), "*-*-*", "00:00:00"
    if words and words[0][0].isalpha():
        weekdays = _weekdays(words.pop(0))
    if words and re.search(r"[-~]", words[0]):
        dated = words.pop(0)
    if words:
        clock = words.pop(0)
    if words:
        raise InvalidInput(f"what is {words[0]!r}")
    years, months, days, from_end = _date(dated)
    return Calendar(weekdays, years, months, days, from_end, _times(clock))


def _looks_like_zone(word: str) -> bool:
    return word == "UTC" or (word[0].isalpha() and not _is_weekdays(word))


def _is_weekdays(word: str) -> bool:
    try:
        return bool(_weekdays(word))
    except InvalidInput:
        return False


def _weekdays(word: str) -> frozenset[int]:
    found: set[int] = set()
    for part in word.rstrip(",").split(","):
        first, separator, last = part.replace("-", "..").partition("..")
        start = _weekday(first)
        stop = _weekday(last) if separator else start
        if stop < start:
            raise InvalidInput(f"{part!r} runs backwards")
        found |= set(range(start, stop + 1))
    return frozenset(found)


def _weekday(word: str) -> int:
    found = [n for n, day in enumerate(_DAYS) if word.lower() in (day, day[:3])]
    if not found:
        raise InvalidInput(f"{word!r} is not a day of the week")
    return found[0]


def _date(word: str) -> tuple[frozenset[int] | None, frozenset[int], frozenset[int], bool]:
    found = _DATE.fullmatch(word)
    if not found:
        raise InvalidInput(f"{word!r} is not a date")
    year, month, separator, day = found.groups()
    years = None if year in (None, "*") else _numbers(year, 1970, 2199)
    if separator == "~":
        return years, _numbers(month, 1, 12), _from_end(day), True
    return years, _numbers(month, 1, 12), _numbers(day, 1, 31), False


def _from_end(text: str) -> frozenset[int]:
    """Days counted from the end of the month; a step goes towards that end."""
    found: set[int] = set()
    for part in text.split(","):
        first, separator, step = part.partition("/")
        found |= set(range(_day(first), 0, -_day(step))) if separator else _numbers(part, 1, 31)
    return frozenset(found)


def _day(text: str) -> int:
    found = _numbers(text, 1, 31)
    if len(found) != 1:
        raise InvalidInput(f"{text!r} is not a single day")
    return min(found)


def _times(word: str) -> tuple[time, ...]:
    parts = word.split(":")
    if len(parts) not in (2, 3):
        raise InvalidInput(f"{word!r} is not a time of day")
    hours, minutes = _numbers(parts[0], 0, 23), _numbers(parts[1], 0, 59)
    seconds = _numbers(parts[2], 0, 59) if len(parts) == 3 else frozenset({0})  # noqa: PLR2004 - h:m:s
    return tuple(
        time(hour, minute, second)
        for hour in sorted(hours)
        for minute in sorted(minutes)
        for second in sorted(seconds)
    )


def _numbers(text: str, least: int, most: int) -> frozenset[int]:
    """A list of numbers, ranges and steps, or ``*``."""
    found: set[int] = set()
    for part in text.split(","):
        if part == "*":
            found |= set(range(least, most + 1))
            continue
        fields = _PART.fullmatch(part.replace("*", str(least), 1) if part[:1] == "*" else part)
        if not fields:
            raise InvalidInput(f"{part!r} is not a number, a range or a step")
        first, step = int(fields["first"]), int(fields["step"] or 0)
        last = int(fields["last"]) if fields["last"] else (most if fields["step"] else first)
        if not least <= first <= last <= most or (fields["step"] and step < 1):
            raise InvalidInput(f"{part!r} is not within {least} and {most}")
        found |= set(range(first, last + 1, step or 1))
    return frozenset(found)
