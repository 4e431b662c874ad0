"""What the initrd decides: which slot, which state, whether to give a slot up.

Pure: disks, boot logs and entries come in as values, so that every boot of
every machine can be replayed in a test.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from osmodel import partitions, uki

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostio.disk.sysfs import Disk
    from osmodel.bootlog import BootLog
    from osmodel.gpt import Gpt, Partition
    from update_engine.core.entries import KnownEntry

FAILED_BOOTS = 5  # in a row, before a good slot is marked bad
# A disk with our labels but other roots means a wrong image, not a slow disk.
# Not at once all the same: the right one of two disks may be the slower.
WRONG_SLOTS_GRACE = 10.0  # seconds
DISK_TIMEOUT = 120.0  # seconds; slow firmware, spinning disks, loaded hosts
GROWTH_WORTH_IT = 64 << 20  # bytes of free space behind the state partition


class StateUse(StrEnum):
    """Where /var lives in this boot."""

    DURABLE = "durable"
    VOLATILE = "volatile"


class BootRequest(NamedTuple):
    """What the kernel command line asks for.

    Attributes:
        root_hash: of the root to start, 64 hex digits.
        state: volatile lets an operator start a machine whose state is broken,
            with ``twinkeel.state=volatile``; nothing on the disk is touched.
    """

    root_hash: str
    state: StateUse = StateUse.DURABLE


class DiskView(NamedTuple):
    """A disk and the partition table on it."""

    disk: Disk
    table: Gpt


class FoundSlot(NamedTuple):
    """Where the wanted root lies."""

    disk: Disk
    table: Gpt
    slot: str
    root: Partition
    verity: Partition


def parse_request(command_line: str) -> BootRequest:
    """Read the kernel command line.

    Raises:
        UntrustedData: it does not name exactly one root.
    """
    root_hash = uki.root_hash_of(command_line)
    words = command_line.split()
    volatile = f"twinkeel.state={StateUse.VOLATILE}" in words
    return BootRequest(root_hash, StateUse.VOLATILE if volatile else StateUse.DURABLE)


def find_slot(root_hash: str, views: Sequence[DiskView]) -> FoundSlot | None:
    """The slot whose partition GUIDs are the halves of the root hash.

    Both partitions must be of one slot of one disk. If several disks hold the
    root, the first will do: verity proves that they are the same.
    """
    for disk, table in views:
        slot = partitions.slot_of(table, root_hash)
        if slot is not None:
            root = table.find(partitions.root_label(slot))
            verity = table.find(partitions.verity_label(slot))
            assert root is not None
            assert verity is not None
            return FoundSlot(disk, table, slot, root, verity)
    return None


def has_slots(table: Gpt) -> bool:
    """Whether a disk is one of ours, whatever its slots hold."""
    labels = {partition.label for partition in table.partitions}
    return {partitions.root_label(slot) for slot in partitions.SLOTS} <= labels


def wait_is_over(waited: float, *, wrong_slots: bool) -> bool:
    """Whether to stop looking for the slot.

    Args:
        waited: seconds since the search began.
        wrong_slots: a disk of ours is there, with other roots in its slots.
    """
    return waited >= (WRONG_SLOTS_GRACE if wrong_slots else DISK_TIMEOUT)


def can_grow(table: Gpt, state: Partition) -> bool:
    """Whether the state partition is the last one and has room behind it."""
    if any(other.first_lba > state.last_lba for other in table.partitions):
        return False
    return (table.last_usable - state.last_lba) * table.sector_size >= GROWTH_WORTH_IT


def has_failed_too_often(log: BootLog, root_hash: str, boot_id: str) -> bool:
    """Whether the boots before this one were a row of failures of this root."""
    row = log.unstable_in_a_row(root_hash, except_boot_id=boot_id)
    return row >= FAILED_BOOTS


class WayOut(NamedTuple):
    """Which entry boots instead of which."""

    to: KnownEntry
    away: KnownEntry


def way_out(root_hash: str, entries: Sequence[KnownEntry], table: Gpt) -> WayOut | None:
    """The entry to boot instead of the one we came from.

    A bad one is better than none: it may have lost its tries to power cuts, and
    if it fails again, the row of failures leads back here. So no two slots of
    which one is whole can keep a machine down.

    Args:
        root_hash: of the root that keeps failing.
        entries: all the loader may start.
        table: of the disk with the slots.

    Returns:
        ``None`` if ours is counted by the loader anyway, or cannot be told from
        another, or there is no other. A slot that fails now and then is better
        than none.
    """
    # Imported where it is needed: boots that go well never come here.
    from osmodel.assessment import Assessment  # noqa: PLC0415 - see above

    ours = [entry for entry in entries if entry.root_hash == root_hash]
    if len(ours) != 1 or ours[0].assessment not in {Assessment.GOOD, Assessment.BAD}:
        return None
    others = [
        entry
        for entry in entries
        if entry.root_hash not in {root_hash, ""}
        and entry.assessment is not None
        and partitions.slot_of(table, entry.root_hash) is not None
    ]
    order = (Assessment.GOOD, Assessment.INDETERMINATE, Assessment.BAD)
    best = sorted(others, key=lambda entry: order.index(entry.assessment or Assessment.BAD))
    return WayOut(best[0], ours[0]) if best else None
