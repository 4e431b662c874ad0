"""What came of a run: one result for each action, for people and for programs.

No result shows a secret: only paths, names and what went wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from cloud_config.document.findings import Finding, Level
from cloud_config.document.jsontext import parsed
from osmodel.faults import UntrustedData


class Outcome(StrEnum):
    """What came of an action."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    LEFT = "left"  # not ours any more: reported, not touched
    FAILED = "failed"


class Progress(StrEnum):
    """How far a run is; the words of ``cloud-config status``."""

    NOTHING = "nothing"
    RUNNING = "running"
    WAITING = "waiting"  # for the second run of this boot, which starts units
    DONE = "done"
    DEGRADED = "degraded"  # something of the document is not in force


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one action.

    Attributes:
        action: its kind.
        subject: what it was done to.
        origin: key of the document.
        text: one line; empty if the outcome says all.
    """

    action: str
    subject: str
    origin: str
    outcome: Outcome
    text: str = ""

    def __str__(self) -> str:
        words = f"{self.action} {self.subject}".strip()
        why = f": {self.text}" if self.text else ""
        return f"{self.origin}: {words}: {self.outcome}{why}"


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run.

    Attributes:
        source: where the user data came from.
        started: ISO 8601, UTC; as is ``finished``, which is empty until then.
        findings: of the document and of the plan.
    """

    stage: Progress = Progress.NOTHING
    instance_id: str = ""
    source: str = ""
    started: str = ""
    finished: str = ""
    results: tuple[Result, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def errors(self) -> tuple[str, ...]:
        """One line for each thing asked for that is not in force."""
        said = (str(one) for one in self.findings if one.level is Level.ERROR)
        failed = (str(one) for one in self.results if one.outcome is Outcome.FAILED)
        return (*said, *failed)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each thing worth a look."""
        said = (str(one) for one in self.findings if one.level is Level.WARNING)
        left = (str(one) for one in self.results if one.outcome is Outcome.LEFT)
        return (*said, *left)

    def as_table(self) -> Mapping[str, object]:
        """For JSON; the errors and warnings are spelled out."""
        return {**asdict(self), "errors": self.errors, "warnings": self.warnings}

    def as_json(self) -> str:
        """Text of the status file."""
        return json.dumps(self.as_table(), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read what :meth:`as_json` wrote.

        Raises:
            UntrustedData: something else.
        """
        try:
            table = parsed(text)
            return cls(
                Progress(table["stage"]),
                str(table["instance_id"]),
                str(table["source"]),
                str(table["started"]),
                str(table["finished"]),
                results=tuple(
                    Result(**{**one, "outcome": Outcome(one["outcome"])})
                    for one in table["results"]
                ),
                findings=tuple(
                    Finding(int(one["line"]), Level(one["level"]), str(one["message"]))
                    for one in table["findings"]
                ),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise UntrustedData("not a report of a run") from error
