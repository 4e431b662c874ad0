"""Look at what boots: put entries in order, find the slots, remember for status."""

from __future__ import annotations

import logging

from hostio.disk.systemdisk import SystemDisk, read_table
from osmodel.gpt import Gpt
from update_engine.bootcontrol.port import BootControl
from update_engine.core.entries import KnownEntry, Readmit, Remove, repairs
from update_engine.core.preflight import active_slot
from update_engine.store import Memory, Snapshot

_log = logging.getLogger(__name__)


def tidy(boot: BootControl, running: str) -> tuple[KnownEntry, ...]:
    """Sweep leftovers and give every entry a standing of ours; returns the entries.

    Args:
        boot: what boots next.
        running: root hash of the running system.

    Raises:
        HostFailure: the ESP refused.
    """
    boot.sweep()
    wanted = repairs(boot.entries(), running)
    for repair in wanted:
        _log.warning("esp repair=%s entry=%s", type(repair).__name__, repair.entry.name)
        match repair:
            case Readmit(entry):
                boot.readmit(entry)
            case Remove(entry):
                boot.remove(entry)
    return boot.entries()


def system_table(disk: SystemDisk) -> Gpt:
    """The partition table of the system disk.

    Raises:
        HostFailure: the disk cannot be read.
        UntrustedData: neither copy of the table is whole.
    """
    with disk.whole() as whole:
        return read_table(whole, disk.sector_size)


def remember(memory: Memory, table: Gpt, entries: tuple[KnownEntry, ...], running: str) -> None:
    """Keep what was seen for status, which mounts nothing."""
    memory.remember_snapshot(Snapshot(active_slot(table, running) or "", entries))
