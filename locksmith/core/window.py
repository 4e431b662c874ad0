"""Reboot windows: when a machine may reboot, in the form of 2014 or as a calendar.

A window is a start that repeats and a length in elapsed time: over a change to
daylight saving it is as long as on any other night.

Source: locksmith ``pkg/timeutil/periodic.go``; systemd.time(7).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from locksmith.core import calendar
from locksmith.core.calendar import Calendar
from osmodel.faults import InvalidInput

# ``Thu 4:30``: fields of one or two digits, unlike a calendar's.
_OF_2014 = re.compile(
    r"\s*(?:(?P<day>[A-Za-z]+)\s+)?(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{1,2})\s*"
)
_FURTHEST = timedelta(days=8)  # a window that always overlaps the next one has no end
ZoneOf = Callable[[str], tzinfo]


@dataclass(frozen=True, slots=True)
class Window:
    """When reboots are allowed.

    Attributes:
        calendar: when it opens.
        length_s: seconds it stays open, at least 1.
        zone: whose local time the calendar means.
        text: as it was written, for people.
    """

    calendar: Calendar
    length_s: int
    zone: tzinfo
    text: str

    def closes(self, now: datetime) -> datetime | None:
        """When the window that is open at ``now`` closes; ``None`` while none is."""
        ends: datetime | None = None
        length = timedelta(seconds=self.length_s)
        for start in self.calendar.starts(now - length, self.zone):
            if start > (ends or now) or start - now > _FURTHEST:
                break
            ends = start + length  # overlapping windows are one
        return ends

    def opens(self, now: datetime) -> datetime | None:
        """When the next window opens after ``now``; ``None`` for never."""
        return next(self.calendar.starts(now, self.zone), None)


def parse(start: str, length_s: int, time_zone: str, zone_of: ZoneOf) -> Window:
    """Read a window.

    Args:
        start: ``[Thu ]HH:MM``, or a calendar expression.
        length_s: seconds.
        time_zone: name; empty for the machine's own. A zone in ``start`` wins.
        zone_of: finds a zone by name, the machine's own by an empty one; raises
            ``InvalidInput`` for an unknown one.

    Raises:
        InvalidInput: either is wrong.
    """
    if length_s < 1:
        raise InvalidInput(f"length of the reboot window: at least 1 second, got {length_s}")
    found, inner = calendar.parse(_as_calendar(start))
    zone = zone_of(inner or time_zone)
    name = inner or time_zone
    text = start if inner or not name else f"{start} {name}"
    return Window(found, length_s, zone, text)


def _as_calendar(start: str) -> str:
    """The form of 2014 as a calendar; anything else as it is."""
    found = _OF_2014.fullmatch(start)
    if not found:
        return start
    day, hour, minute = found["day"] or "", found["hour"], found["minute"]
    return f"{day} {int(hour):02}:{int(minute):02}".strip()
