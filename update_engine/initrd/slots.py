"""Find the slot that belongs to this kernel, as soon as its disk appears."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hostio.disk.systemdisk import disk_table
from osmodel.faults import HostFailure, UntrustedData
from update_engine.initrd import decisions
from update_engine.initrd.world import NOTICE, InitrdWorld

if TYPE_CHECKING:
    from hostio.disk.sysfs import Disk, PartitionNode
    from osmodel import gpt

_FIRST_PAUSE = 0.02  # seconds between looks; doubles up to the last one
_LAST_PAUSE = 0.5


def wait_for_slot(world: InitrdWorld, root_hash: str) -> decisions.FoundSlot:
    """Load drivers and look until the slot's disk is there.

    Raises:
        HostFailure: no disk holds this root.
    """
    start = world.clock.monotonic()
    pause = _FIRST_PAUSE
    while True:
        for line in world.modules.load_drivers():
            world.journal.say(line, NOTICE)
        views = _views(world)
        found = decisions.find_slot(root_hash, views)
        if found is not None:
            return found
        wrong_slots = any(decisions.has_slots(view.table) for view in views)
        if decisions.wait_is_over(world.clock.monotonic() - start, wrong_slots=wrong_slots):
            names = ", ".join(view.disk.name for view in views) or "none"
            raise HostFailure(f"no slot holds root {root_hash}; disks with partitions: {names}")
        world.clock.sleep(pause)
        pause = min(pause * 2, _LAST_PAUSE)


def wait_for_partition(world: InitrdWorld, disk: Disk, partition: gpt.Partition) -> PartitionNode:
    """The kernel's view of a partition, once it agrees with the table.

    Raises:
        HostFailure: the kernel does not show it.
    """
    deadline = world.clock.monotonic() + decisions.WRONG_SLOTS_GRACE
    wanted = (partition.first_lba * disk.sector_size, partition.sectors * disk.sector_size)
    while True:
        found = world.block.partition(disk.name, partition.number)
        if found is not None and (found.start, found.size) == wanted and os.path.exists(found.node):  # noqa: PTH110 - a string, and no pathlib to start for it
            return found
        if world.clock.monotonic() > deadline:
            raise HostFailure(f"partition {partition.label} of {disk.name} does not appear")
        world.clock.sleep(_FIRST_PAUSE)


def _views(world: InitrdWorld) -> list[decisions.DiskView]:
    views = []
    for disk in world.block.disks():
        try:
            views.append(decisions.DiskView(disk, disk_table(disk)))
        except (UntrustedData, HostFailure):
            continue  # not one of ours, or not ready yet: looked at again
    return views
