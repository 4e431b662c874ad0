"""From the text of a ``#cloud-config`` to a :class:`Document` and what is to be said about it.

Nothing raises here: a document with faults yields what could be read, and a
finding for each thing left out. The caller decides what to do about errors.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloud_config.document.budget import Budget
from cloud_config.document.building import build
from cloud_config.document.catalogue import DOCUMENT
from cloud_config.document.checking import Checker
from cloud_config.document.findings import Finding, Level, in_order
from cloud_config.document.model import Document
from cloud_config.document.rules import group_rules, tree_rules
from cloud_config.document.yamlnodes import Mapping, Scalar
from cloud_config.document.yamltree import parse


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


def read(text: str, *, first_line: int = 1, budget: Budget | None = None) -> Reading:
    """Read and check one document.

    Args:
        text: addresses already substituted.
        first_line: where the text begins in what the operator wrote.
        budget: what may be spent, for one of several documents; by default a whole one.
    """
    budget = budget or Budget()
    root, findings = parse(text, budget)
    if root is None or (isinstance(root, Scalar) and root.plain and not root.text):
        return Reading(Document(), in_order(findings, first_line))
    if not isinstance(root, Mapping):
        wrong = Finding(root.line, Level.ERROR, "document is not a mapping of keys to values")
        return Reading(Document(), in_order([*findings, wrong], first_line))
    checker = Checker(findings)
    checker.findings.extend(tree_rules(root))
    group = checker.mapping(root, DOCUMENT)
    checker.findings.extend(group_rules(group))
    document = build(group, checker, budget)
    return Reading(document, in_order(checker.findings, first_line))
