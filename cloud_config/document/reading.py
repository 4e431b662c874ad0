"""From the text of a ``#cloud-config`` to a :class:`Document` and what is to be said about it.

Nothing raises here: a document with faults yields what could be read, and a
finding for each thing left out. Whoever reads decides what to do about errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cloud_config.document.building import build
from cloud_config.document.catalogue import DOCUMENT
from cloud_config.document.checking import Checker
from cloud_config.document.findings import Finding, Level
from cloud_config.document.model import Document
from cloud_config.document.rules import group_rules, tree_rules
from cloud_config.document.yamltree import Mapping, Scalar, parse

# More are of no use to a person, and a hostile document could have any number.
MAX_FINDINGS = 500


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
    root, findings = parse(text)
    if root is None or (isinstance(root, Scalar) and root.plain and not root.text):
        return Reading(Document(), in_order(findings, first_line))
    if not isinstance(root, Mapping):
        wrong = Finding(root.line, Level.ERROR, "document is not a mapping of keys to values")
        return Reading(Document(), in_order([*findings, wrong], first_line))
    checker = Checker(findings)
    checker.findings.extend(tree_rules(root))
    group = checker.mapping(root, DOCUMENT)
    checker.findings.extend(group_rules(group))
    document = build(group, checker)
    return Reading(document, in_order(checker.findings, first_line))


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
