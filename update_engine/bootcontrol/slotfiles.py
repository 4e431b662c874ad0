"""Boot control by state files: U-Boot's script counts tries in them.

Each slot's kernel image has one name for life; two copies of a small file say
what the script does with it (``osmodel.slotstate``). The copy that counts less
is written first, so one of them is whole at every moment and the first one that
is written is what commits.

A kernel image that lies under its slot's name is always one whose slot is
whole: the image goes before the slot is written, and comes back only when the
slot is verified and findable. So whatever the script starts when it can read no
state at all is a whole version, too.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from osmodel import slotstate
from osmodel.assessment import TRIES, Assessment
from osmodel.faults import HostFailure
from osmodel.slotstate import COPIES, GOOD, NONE, SLOTS, SlotState, entry_name, slot_of_entry
from update_engine.bootcontrol.content import digest_of, entry_names, identity_of
from update_engine.core.entries import KnownEntry

if TYPE_CHECKING:
    from collections.abc import Collection

    from hostio.disk.esp import Esp, StagedFile
    from update_engine.bootcontrol.port import Arming

_log = logging.getLogger(__name__)
_ASSESSMENTS = {GOOD: Assessment.GOOD, NONE: None, "0": Assessment.BAD}


class SlotFiles:
    """See :class:`update_engine.bootcontrol.port.BootControl`.

    Args:
        esp: the FAT that firmware and U-Boot read, mounted.
    """

    def __init__(self, esp: Esp) -> None:
        self._esp = esp

    def entries(self) -> tuple[KnownEntry, ...]:
        """See :meth:`BootControl.entries`."""
        state = self._read().state
        return tuple(self._known(name, state) for name in entry_names(self._esp))

    def _known(self, name: str, state: SlotState | None) -> KnownEntry:
        found, slot = identity_of(self._esp, name), slot_of_entry(name) or ""
        assessment = None
        if state is not None and slot:
            assessment = _ASSESSMENTS.get(state.mark(slot), Assessment.INDETERMINATE)
        if found is None:
            return KnownEntry(name, assessment, slot=slot)
        return KnownEntry(name, assessment, found.version, found.root_hash, slot=slot)

    def sweep(self) -> None:
        """See :meth:`BootControl.sweep`; afterwards both copies are whole and agree.

        With no copy left, both slots get tries, as the script gives them.
        """
        self._esp.sweep()
        present = {slot_of_entry(name) for name in self._esp.names()}
        reading = self._read()
        if reading.state is None:
            _log.warning("slot state lost, both slots have to prove themselves")
        state = reading.state or SlotState(0, "a", str(TRIES), str(TRIES))
        self._change(_without_missing(state, present))

    def size(self, entry: KnownEntry) -> int:
        """See :meth:`BootControl.size`."""
        return self._esp.size(entry.name)

    def free_bytes(self) -> int:
        """See :meth:`BootControl.free_bytes`."""
        return self._esp.free_bytes()

    def readmit(self, entry: KnownEntry) -> None:
        """See :meth:`BootControl.readmit`.

        An image without a slot's name gets a name that is free.
        """
        slot = entry.slot
        if not slot:
            present = {slot_of_entry(name) for name in self._esp.names()}
            free = [slot for slot in SLOTS if slot not in present]
            if not free:
                raise HostFailure(f"boot entry {entry.name} belongs to no slot")
            slot = free[0]
            self._esp.rename(entry.name, entry_name(slot))
        self._change(self._state().marked(slot, "1"))

    def remove(self, entry: KnownEntry) -> None:
        """See :meth:`BootControl.remove`; the state goes first, so no try is wasted."""
        if entry.slot:
            state = self._state().marked(entry.slot, NONE)
            self._change(state.preferring(slotstate.other(entry.slot)))
        self._esp.remove(entry.name)

    def stage(self) -> StagedFile:
        """See :meth:`BootControl.stage`."""
        return self._esp.stage()

    def arm(self, staged: StagedFile, target: Arming) -> None:
        """See :meth:`BootControl.arm`."""
        name = entry_name(target.slot)
        staged.place(name)
        state = self._state().marked(target.slot, str(TRIES)).preferring(target.slot)
        try:
            self._change(state)
        except HostFailure:
            # Maybe the state counts all the same: then its tries find no image.
            with contextlib.suppress(HostFailure):
                self._esp.remove(name)
            raise

    def bless(self, entry: KnownEntry) -> None:
        """See :meth:`BootControl.bless`."""
        state = self._state().marked(_slot_of(entry), GOOD)
        self._change(state.preferring(_slot_of(entry)))

    def switch(self, to: KnownEntry, away: KnownEntry, *, boots: int, on_trial: bool) -> None:
        """See :meth:`BootControl.switch`; one change of the state.

        ``away`` keeps its mark: as the second choice it boots when the tries of
        ``to`` are used up. With no mark left the script would try ``to`` for ever.
        """
        del boots  # the files have no place for them
        slot, state = _slot_of(to), self._state()
        if on_trial:
            state = state.marked(slot, str(TRIES))
        if state.mark(_slot_of(away)) in {NONE, "0"}:
            state = state.marked(_slot_of(away), "1")
        self._change(state.preferring(slot))

    def digest(self, entry: KnownEntry) -> str:
        """See :meth:`BootControl.digest`."""
        return digest_of(self._esp, entry.name)

    def _read(self) -> slotstate.Reading:
        return slotstate.read([self._esp.small_file(name) for name in COPIES])

    def _state(self) -> SlotState:
        """What counts; a lost one is begun with nothing bootable."""
        return self._read().state or slotstate.SlotState(0, "a", NONE, NONE)

    def _change(self, wanted: SlotState) -> None:
        """Write ``wanted`` to both copies, unless they say so already."""
        before = self._read()
        same = before.state is not None and before.state._replace(sequence=0) == wanted._replace(
            sequence=0
        )
        if same and before.agree:
            return
        copy = slotstate.encode(wanted.following(before.state))
        first, second = before.order
        self._esp.overwrite(first, copy)
        try:
            self._esp.overwrite(second, copy)
        except HostFailure as fault:
            # The first one counts by now; calling this a failure would be the lie.
            _log.warning("copy=%s not written, the other one holds: %s", second, fault)


def _without_missing(state: SlotState, present: Collection[str | None]) -> SlotState:
    """The state in which no slot without a kernel image is tried."""
    for slot in SLOTS:
        if slot not in present and state.mark(slot) != NONE:
            state = state.marked(slot, NONE)
    if state.mark(state.first) == NONE:
        state = state.preferring(slotstate.other(state.first))
    return state


def _slot_of(entry: KnownEntry) -> str:
    if not entry.slot:
        raise HostFailure(f"boot entry {entry.name} belongs to no slot")
    return entry.slot
