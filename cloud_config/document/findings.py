"""What the reader of a document has to say about a line of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    """

    line: int
    level: Level
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.level}: {self.message}"
