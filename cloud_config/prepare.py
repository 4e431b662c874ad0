"""From user data to all that is done on one machine: read, planned, with what is taken back.

The one place where the parts come together. It is pure: the start, ``apply`` and
``plan`` differ only in what they do with the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloud_config.document.findings import Finding, Level, in_order
from cloud_config.document.interpreting import Interpretation, interpret
from cloud_config.document.model import Document
from cloud_config.planning.actions import Action
from cloud_config.planning.facts import Facts
from cloud_config.planning.plan import Plan, plan
from cloud_config.planning.record import Record
from cloud_config.planning.removals import removals


@dataclass(frozen=True, slots=True)
class Prepared:
    """What user data ask for on one machine.

    Attributes:
        interpretation: what they say.
        plan: what that means on this machine, without what is taken back.
        findings: of the sources, of the document and of the plan.
    """

    interpretation: Interpretation
    plan: Plan
    findings: tuple[Finding, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether everything was understood, so that what is missing is meant to be."""
        return not any(finding.level is Level.ERROR for finding in self.findings)

    def actions(self, record: Record) -> tuple[Action, ...]:
        """All that is to be done, in its order.

        What former documents asked for goes first, and only on the word of a
        document that was understood as a whole: its files may be in the way.

        Args:
            record: what was written for former documents.
        """
        if not self.is_whole:
            return self.plan.actions
        return (*removals(record, self.plan.actions), *self.plan.actions)


def prepare(user_data: bytes | None, facts: Facts, remarks: Sequence[Finding] = ()) -> Prepared:
    """Read and plan; never raises for what is in the user data.

    Args:
        user_data: of any form; ``None`` if there are none.
        facts: of the machine.
        remarks: on where the user data come from.
    """
    said = (
        Interpretation(Document())
        if user_data is None
        else interpret(user_data, facts.metadata.addresses)
    )
    made = plan(said.document, facts, said.scripts)
    return Prepared(said, made, in_order((*remarks, *said.findings, *made.findings)))
