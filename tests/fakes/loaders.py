"""What each kind of loader does with the FAT it finds, before it starts a kernel image."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from osmodel import bootentry, slotstate
from osmodel.assessment import TRIES, Assessment
from osmodel.bootentry import BootEntry
from osmodel.platforms import Platform
from osmodel.slotstate import COPIES, GOOD, SlotState, entry_name
from osmodel.version import Version

Files = dict[str, bytes]


class Started(NamedTuple):
    """What a loader takes, and what it leaves on the FAT.

    Attributes:
        name: kernel image, by the name it had; ``None`` if there is none.
        files: of ``EFI/Linux``, with tries counted.
        small: of the top directory, with tries counted.
    """

    name: str | None
    files: Files
    small: Files


def started(platform: str, files: Mapping[str, bytes], small: Mapping[str, bytes]) -> Started:
    """What the platform's loader takes."""
    if platform == Platform.RASPBERRYPI:
        name, after = script(small, [slot for slot in "ab" if entry_name(slot) in files])
        return Started(name and entry_name(name), dict(files), after)
    order = loader_order(sorted(files))
    if not order:
        return Started(None, dict(files), dict(small))
    chosen = order[0].filename
    counted = {
        (after_boot(order[0]).filename if name == chosen else name): content
        for name, content in files.items()
    }
    return Started(chosen, counted, dict(small))


def after_boot(entry: BootEntry) -> BootEntry:
    """The entry as systemd-boot renames it just before starting it."""
    if entry.tries_left is None:
        return entry
    left, done = max(entry.tries_left - 1, 0), min(entry.tries_done + 1, 9)
    return replace(entry, tries_left=left, tries_done=done)


def loader_order(files: Sequence[str]) -> list[BootEntry]:
    """Entries as systemd-boot sorts them: bad ones last, then the newest first."""
    entries = [bootentry.parse(name) for name in files]
    newest = sorted(entries, key=lambda one: Version.parse(one.version), reverse=True)
    return sorted(newest, key=lambda one: one.assessment is Assessment.BAD)


def script(small: Mapping[str, bytes], loads: Sequence[str]) -> tuple[str | None, Files]:
    """What ``boot.scr`` does; held to the real one by tests/interop.

    Args:
        small: the state files.
        loads: slots whose kernel image can be started.

    Returns:
        The slot that is started, and the state files afterwards. A counted slot
        that does not load is counted down over as many resets as it has tries.
    """
    reading = slotstate.read([small.get(name) for name in COPIES])
    state = reading.state or SlotState(0, "a", str(TRIES), str(TRIES))
    after = dict(small)
    order = (state.first, slotstate.other(state.first))
    for slot in order:
        mark = state.mark(slot)
        if mark == GOOD and slot in loads:
            return slot, after
        if mark.isdigit() and mark != "0":
            state = state.marked(slot, str(int(mark) - 1)).following(state)
            after |= dict.fromkeys(COPIES, slotstate.encode(state))
            return (slot, after) if slot in loads else script(after, loads)
    # Nothing is left that should boot: whatever loads.
    return next((slot for slot in order if slot in loads), None), after
