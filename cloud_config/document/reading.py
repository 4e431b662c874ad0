"""From the text of a ``#cloud-config`` to a :class:`Document` and what is to be said about it.

Nothing raises here: a document with faults yields what could be read, and a
finding for each thing left out. Whoever reads decides what to do about errors.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloud_config.document.findings import Finding, Level
from cloud_config.document.model import Document


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says.

    Attributes:
        document: all that passed the checks.
        findings: in the order of lines.
    """

    document: Document
    findings: tuple[Finding, ...] = ()

    @property
    def has_errors(self) -> bool:
        """Whether something was said that cannot be done."""
        return any(finding.level is Level.ERROR for finding in self.findings)


def read(text: str, *, first_line: int = 1) -> Reading:
    """Read and check one document.

    Args:
        text: addresses already substituted.
        first_line: where the text begins in what the operator wrote.
    """
    del text, first_line
    return Reading(Document())
