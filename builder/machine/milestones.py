"""Turns what a machine prints into a log of its boot, with times."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from builder.machine.console import MILESTONES


@dataclass(frozen=True, slots=True)
class Event:
    """Something a person or a program wants to know about the machine.

    Attributes:
        name: stable, for programs.
        seconds: since the machine was switched on.
        text: for the user.
        facts: for programs.
    """

    name: str
    seconds: float
    text: str
    facts: Mapping[str, object] = field(default_factory=dict)

    def as_json(self) -> str:
        """One line of JSON."""
        return json.dumps({"event": self.name, "seconds": round(self.seconds, 1), **self.facts})

    def as_text(self) -> str:
        """One line for a terminal."""
        return f"{self.seconds:7.1f} s  {self.text}"


_TEXTS = {
    "firmware": "firmware found the loader",
    "slot": "kernel started from slot {}",
}


class Follower:
    """Tells each milestone once when the console shows it.

    Args:
        text: the console so far; what is there already is not told.
        tell: called with each new milestone's name and detail.
    """

    def __init__(self, text: Callable[[], str], tell: Callable[[str, str], None]) -> None:
        self._text = text
        self._tell = tell
        self._read = len(text())  # characters of complete lines looked at

    def look(self) -> None:
        """Read on from where the last look ended."""
        fresh = self._text()[self._read :]
        complete = fresh[: fresh.rfind("\n") + 1]
        self._read += len(complete)
        for line in complete.splitlines():
            for name, mark in MILESTONES.items():
                if found := mark.search(line):
                    self._tell(name, "".join(found.groups()))


def milestone(name: str, detail: str, seconds: float) -> Event:
    """The event of a milestone; its detail is a fact under the milestone's name."""
    return Event(name, seconds, _TEXTS[name].format(detail), {name: detail} if detail else {})
