"""Tidy what boots: no leftovers, and every entry with an assessment of ours."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from update_engine.core.entries import KnownEntry, Readmit, Remove, repairs

if TYPE_CHECKING:
    from update_engine.bootcontrol.port import BootControl

_log = logging.getLogger(__name__)


def tidy(boot: BootControl, running: str) -> tuple[KnownEntry, ...]:
    """Sweep leftovers and repair entries; returns what is there afterwards.

    Args:
        boot: what boots next.
        running: root hash of the running system.

    Raises:
        HostFailure: the ESP refused.
    """
    boot.sweep()
    for repair in repairs(boot.entries(), running):
        _log.warning("esp repair=%s entry=%s", type(repair).__name__, repair.entry.name)
        match repair:
            case Readmit(entry):
                boot.readmit(entry)
            case Remove(entry):
                boot.remove(entry)
    return boot.entries()
