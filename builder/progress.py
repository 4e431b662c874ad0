"""Say how far a build is: live on a terminal, plain lines in a log.

Everything goes to standard error; standard output is for results.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol, TextIO

from rich.console import Console
from rich.status import Status


class Outcome(StrEnum):
    """How a step ended."""

    DONE = "done"
    CACHED = "cached"
    FAILED = "failed"


class Report(Protocol):
    """Port for progress; the fake is ``tests.fakes.report``."""

    def begin(self, step: str) -> None:
        """A step starts; only one runs at a time."""
        ...

    def note(self, text: str) -> None:
        """What the running step is at."""
        ...

    def end(self, step: str, seconds: float, outcome: Outcome) -> None:
        """The step ended after ``seconds``."""
        ...


class PlainReport:
    """One line for each finished step."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def begin(self, step: str) -> None:
        """See :meth:`Report.begin`."""

    def note(self, text: str) -> None:
        """See :meth:`Report.note`: too much for a log."""

    def end(self, step: str, seconds: float, outcome: Outcome) -> None:
        """See :meth:`Report.end`."""
        self._stream.write(f"{line(step, seconds, outcome)}\n")
        self._stream.flush()


class LiveReport:
    """A spinner with the running step; finished ones scroll up above it."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False)
        self._status: Status | None = None
        self._step = ""

    def begin(self, step: str) -> None:
        """See :meth:`Report.begin`."""
        self._step = step
        self._status = self._console.status(step)
        self._status.start()

    def note(self, text: str) -> None:
        """See :meth:`Report.note`."""
        if self._status is not None:
            self._status.update(f"{self._step}  [dim]{text}[/dim]")

    def end(self, step: str, seconds: float, outcome: Outcome) -> None:
        """See :meth:`Report.end`."""
        if self._status is not None:
            self._status.stop()
            self._status = None
        colour = {Outcome.DONE: "green", Outcome.CACHED: "dim", Outcome.FAILED: "red"}[outcome]
        self._console.print(f"[{colour}]{line(step, seconds, outcome)}[/{colour}]")


def line(step: str, seconds: float, outcome: Outcome) -> str:
    """One finished step as text."""
    if outcome is Outcome.CACHED:
        return f"{step:<12} cached"
    took = f"{seconds:7.1f} s"
    return f"{step:<12} {took}" if outcome is Outcome.DONE else f"{step:<12} {took}  failed"


def chosen(stream: TextIO) -> Report:
    """The report that fits ``stream``."""
    return LiveReport(stream) if stream.isatty() else PlainReport(stream)
