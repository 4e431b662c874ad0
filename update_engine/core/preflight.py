"""Whether an update may be written, where to, and what leaves the ESP first.

The one rule behind all others: the machine must be able to boot a whole, good
version at every moment. So nothing is written while the running version is not
good itself, and nothing that could boot the passive slot stays on the ESP
while that slot is being written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from osmodel.assessment import Assessment
from osmodel.gpt import Gpt, Partition
from osmodel.partitions import SLOTS, root_label, slot_guids, slot_of, verity_label
from update_engine.core.entries import KnownEntry, of_root

ESP_RESERVE = 4 << 20  # bytes kept free: FAT gets slow and fragile when full


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do before the first byte is written.

    Attributes:
        slot: the passive slot, ``a`` or ``b``.
        remove: entries that must not be able to boot, in order.
    """

    slot: str
    remove: tuple[KnownEntry, ...]


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why nothing may be written at this time; a sentence without full stop."""

    text: str
    hint: str = ""


def plan(table: Gpt, entries: Sequence[KnownEntry], running: str) -> Plan | Blocked:
    """Decide where an update goes.

    Args:
        table: partition table of the system disk.
        entries: the loader's entries.
        running: root hash of the running system.
    """
    active = slot_of(table, running)
    if active is None:
        return Blocked("the running root is in neither slot of the disk")
    own = of_root(entries, running)
    if len(own) != 1:
        return Blocked(
            f"{len(own)} boot entries carry the running version, expected one",
            hint="nothing else may be written to EFI/Linux on the ESP",
        )
    if own[0].assessment is not Assessment.GOOD:
        return Blocked(
            "the running version is still on trial, and the other slot is the only good one",
            hint="it is blessed once its health checks have passed; see `update-ctl status`",
        )
    if own[0].slot not in ("", active):
        # No program wrote that; removing the other entry could remove the running one.
        return Blocked(f"slot {active} runs, but its boot entry is that of slot {own[0].slot}")
    passive = next(slot for slot in SLOTS if slot != active)
    for label in (root_label(passive), verity_label(passive)):
        if table.find(label) is None:
            return Blocked(f"the disk has no partition {label}")
    return Plan(passive, tuple(one for one in entries if one is not own[0]))


def room_on_esp(free: int, leaving: int, needed: int) -> Blocked | None:
    """Whether the new entry fits on the ESP.

    Args:
        free: bytes free.
        leaving: bytes that the removed entries give back.
        needed: bytes of the new entry.
    """
    missing = needed + ESP_RESERVE - free - leaving
    if missing <= 0:
        return None
    return Blocked(
        f"the ESP is too full: {missing} bytes are missing for an entry of {needed} bytes",
        hint="files outside EFI/Linux that do not belong there can be removed",
    )


def armed_table(table: Gpt, slot: str, root_hash: str) -> Gpt:
    """The table in which ``slot`` is found by this root hash.

    The attribute bits become those of the other slot: tools that made the disk
    may have given an empty slot other ones.
    """
    root, verity = slot_guids(root_hash)
    other = next(one for one in SLOTS if one != slot)
    twins = {root_label(slot): root_label(other), verity_label(slot): verity_label(other)}

    def with_attributes(partition: Partition) -> Partition:
        twin = table.find(twins.get(partition.label, partition.label))
        return partition if twin is None else partition._replace(attributes=twin.attributes)

    alike = table._replace(partitions=tuple(map(with_attributes, table.partitions)))
    return alike.with_guids({root_label(slot): root, verity_label(slot): verity})
