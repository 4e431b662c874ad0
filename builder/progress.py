"""Say how far a build is: live on a terminal, plain lines in a log.

Everything goes to standard error; standard output is for results.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol, TextIO

from rich.console import Console
from rich.markup import escape
from rich.status import Status


class Outcome(StrEnum):
    """How a step ended."""

    DONE = "done"
    CACHED = "cached"
    FAILED = "failed"


class Report(Protocol):
    """Port for progress; the fake is ``tests.fakes.report``."""

    def begin(self, step: str) -> None:
        """A step starts; it may consist of others."""
        ...

    def note(self, text: str) -> None:
        """What the running step is at."""
        ...

    def tell(self, text: str) -> None:
        """A line that the user must not miss."""
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

    def tell(self, text: str) -> None:
        """See :meth:`Report.tell`."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def end(self, step: str, seconds: float, outcome: Outcome) -> None:
        """See :meth:`Report.end`."""
        self._stream.write(f"{line(step, seconds, outcome)}\n")
        self._stream.flush()


class LiveReport:
    """A spinner with the innermost running step; finished ones scroll up above it."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False)
        self._status: Status | None = None
        self._running: list[str] = []

    def begin(self, step: str) -> None:
        """See :meth:`Report.begin`."""
        self._running.append(step)
        if self._status is None:
            self._status = self._console.status(step)
            self._status.start()
        self._status.update(step)

    def note(self, text: str) -> None:
        """See :meth:`Report.note`."""
        if self._status is not None:
            self._status.update(f"{escape(self._running[-1])}  [dim]{escape(text)}[/dim]")

    def tell(self, text: str) -> None:
        """See :meth:`Report.tell`."""
        self._console.print(escape(text), soft_wrap=True)

    def end(self, step: str, seconds: float, outcome: Outcome) -> None:
        """See :meth:`Report.end`."""
        self._running.pop()
        if self._status is not None and self._running:
            self._status.update(self._running[-1])
        elif self._status is not None:
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
