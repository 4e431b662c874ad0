"""Look at the ESP: which entries are there, what do they hold, and is it in order."""

from __future__ import annotations

import logging

from hostio.disks import SystemDisk, read_table
from hostio.esp import Esp
from osmodel.bootentry import parse
from osmodel.faults import InvalidInput, UntrustedData
from osmodel.gpt import Gpt
from osmodel.uki import identify
from update_engine.core.entries import KnownEntry, Remove, Rename, repairs
from update_engine.core.planning import active_slot
from update_engine.memory import Memory, Snapshot

_log = logging.getLogger(__name__)


def read_entries(esp: Esp) -> tuple[KnownEntry, ...]:
    """Every file the loader would show, with what its name and content say.

    Raises:
        HostFailure: the ESP cannot be read.
    """
    # The loader compares suffixes without regard to case, as FAT does.
    names = [name for name in esp.names() if name.lower().endswith(".efi")]
    return tuple(_known(esp, name) for name in names)


def _known(esp: Esp, name: str) -> KnownEntry:
    try:
        entry = parse(name)
    except InvalidInput:
        entry = None
    try:
        found = identify(lambda at, length: esp.read(name, at, length), esp.size(name))
    except UntrustedData as fault:
        _log.warning("entry=%s damaged: %s", name, fault)
        return KnownEntry(name, entry)
    return KnownEntry(name, entry, found.version, found.root_hash)


def tidy(esp: Esp, running: str) -> tuple[KnownEntry, ...]:
    """Sweep leftovers and give every entry a name of ours; returns the entries.

    Args:
        esp: the ESP, mounted.
        running: root hash of the running system.

    Raises:
        HostFailure: the ESP refused.
    """
    esp.sweep()
    wanted = repairs(read_entries(esp), running)
    for repair in wanted:
        _log.warning("esp repair=%s", repair)
        match repair:
            case Rename(old, new):
                esp.rename(old, new)
            case Remove(name):
                esp.remove(name)
    return read_entries(esp)


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
