"""What the reader of a document has to say about a line of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

# More are of no use to a person, and a hostile document could have any number.
MAX_FINDINGS = 500


class Level(StrEnum):
    """How bad a finding is; the words are those of coreos-cloudinit."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One remark.

    Attributes:
        line: of the document, counted from 1.
        level: how bad it is.
        message: one sentence without full stop; never quotes a secret.
        original: the words of coreos-cloudinit's validator if they are others,
            empty if it said nothing; for the command line of that program.
    """

    line: int
    level: Level
    message: str
    original: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"line {self.line}: {self.level}: {self.message}"

    @property
    def in_original_words(self) -> str:
        """The same as coreos-cloudinit printed it; empty if it did not."""
        said = self.message if self.original is None else self.original
        return f"line {self.line}: {self.level}: {said}" if said else ""


def in_order(findings: Iterable[Finding], first_line: int = 1) -> tuple[Finding, ...]:
    """Findings by line, each once, not more than a person reads.

    Args:
        findings: with lines counted from the beginning of the text.
        first_line: of the text in what the operator wrote.
    """
    moved = sorted({replace(item, line=item.line + first_line - 1) for item in findings})
    if len(moved) <= MAX_FINDINGS:
        return tuple(moved)
    # Errors decide the exit status, so none of them may be the last straw.
    kept = sorted(moved, key=lambda item: (item.level is not Level.ERROR, item))[:MAX_FINDINGS]
    more = Finding(kept[-1].line, Level.WARNING, f"{len(moved) - MAX_FINDINGS} more findings")
    return (*sorted(kept), more)
