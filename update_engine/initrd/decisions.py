"""What the initrd decides: which slot, which state, whether to give a slot up.

Pure: disks, ledgers and entries come in as values, so that every start of
every machine can be replayed in a test.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from osmodel import partitions, uki

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostio.disk.sysfs import Disk
    from osmodel.bootlog import Ledger
    from osmodel.gpt import Gpt, Partition
    from update_engine.core.entries import KnownEntry

FAILED_STARTS = 5  # in a row, before a proven slot is given up
# A disk with our labels but other roots means a wrong image, not a slow disk.
# Not at once all the same: the right one of two disks may be the slower.
WRONG_SLOTS_GRACE = 10.0  # seconds
DISK_TIMEOUT = 120.0  # seconds; slow firmware, spinning disks, loaded hosts
GROWTH_WORTH_IT = 64 << 20  # bytes of free space behind the state partition


class StateUse(StrEnum):
    """Where /var lives in this start."""

    DURABLE = "durable"
    VOLATILE = "volatile"


class Request(NamedTuple):
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


def parse_request(command_line: str) -> Request:
    """Read the kernel command line.

    Raises:
        UntrustedData: it does not name exactly one root.
    """
    root_hash = uki.root_hash_of(command_line)
    words = command_line.split()
    volatile = f"twinkeel.state={StateUse.VOLATILE}" in words
    return Request(root_hash, StateUse.VOLATILE if volatile else StateUse.DURABLE)


def find_slot(root_hash: str, views: Sequence[DiskView]) -> FoundSlot | None:
    """The slot whose partition GUIDs are the halves of the root hash.

    Both partitions must be of one slot of one disk. If several slots hold the
    root, the first will do: verity proves that they are the same.
    """
    guids = partitions.slot_guids(root_hash)
    for disk, table in views:
        for slot in partitions.SLOTS:
            root = table.find(partitions.root_label(slot))
            verity = table.find(partitions.verity_label(slot))
            if root and verity and (root.guid, verity.guid) == guids:
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


def has_failed_too_often(ledger: Ledger, root_hash: str, boot_id: str) -> bool:
    """Whether the starts before this one were a row of failures of this root."""
    row = ledger.unsettled_in_a_row(root_hash, except_boot_id=boot_id)
    return row >= FAILED_STARTS


def entry_to_give_up(root_hash: str, entries: Sequence[KnownEntry]) -> KnownEntry | None:
    """The entry we came from, if another one should boot instead of it.

    Args:
        root_hash: of the root that keeps failing.
        entries: all the loader may start.

    Returns:
        The entry, or ``None``: it is counted by the loader anyway, or cannot be
        told from another, or nothing else could boot. A slot that fails now and
        then is better than none.
    """
    # Imported where it is needed: starts that go well never come here.
    from osmodel.assessment import Standing  # noqa: PLC0415 - see above

    ours = [entry for entry in entries if entry.root_hash == root_hash]
    others = [entry for entry in entries if entry.root_hash not in {root_hash, ""}]
    if len(ours) != 1 or ours[0].standing is not Standing.PROVEN:
        return None
    if not any(one.standing in {Standing.PROVEN, Standing.ON_TRIAL} for one in others):
        return None
    return ours[0]
