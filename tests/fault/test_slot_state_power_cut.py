"""The power fails at every write of the slot state, from every state a cut can leave.

Whatever pair of copies the engine finds, each of its changes leaves the old
state or the new one: never none, and never a third one. The script's own writes
are cut in tests/interop, where a real U-Boot does them.
"""

import itertools
from collections.abc import Callable

import pytest

from osmodel import slotstate
from osmodel.faults import InvalidInput
from osmodel.slotstate import COPIES, SlotState, encode
from tests.fakes.ramdisk import Power, PowerCut
from tests.fakes.ramesp import Files, RamEsp
from tests.fakes.smalluki import small_uki
from update_engine.bootcontrol.port import Arming, BootControl
from update_engine.bootcontrol.slotfiles import SlotFiles
from update_engine.core.entries import KnownEntry

State = tuple[str, str, str] | None
OLD, NEW = "aa" * 32, "bb" * 32
A, B = small_uki("1.0.0", OLD), small_uki("1.0.1", NEW)
TRIED = SlotState(8, "b", "good", "2")
BEFORE = SlotState(7, "b", "good", "3")
WRAPPED = (SlotState(0, "b", "good", "2"), SlotState(0xFFFF, "b", "good", "3"))
TORN = encode(TRIED)[:8] + encode(BEFORE)[8:]

PAIRS: dict[str, tuple[bytes | None, bytes | None]] = {
    "both whole": (encode(TRIED), encode(TRIED)),
    "first older": (encode(BEFORE), encode(TRIED)),
    "second older": (encode(TRIED), encode(BEFORE)),
    "first torn": (TORN, encode(TRIED)),
    "second torn": (encode(TRIED), TORN),
    "first empty": (b"", encode(TRIED)),
    "second missing": (encode(TRIED), None),
    "wrapped": (encode(WRAPPED[0]), encode(WRAPPED[1])),
    "wrapped the other way": (encode(WRAPPED[1]), encode(WRAPPED[0])),
}


def entry(control: BootControl, root_hash: str) -> KnownEntry:
    (found,) = [one for one in control.entries() if one.root_hash == root_hash]
    return found


def arm(control: BootControl) -> None:
    control.remove(entry(control, NEW))
    staged = control.stage()
    staged.write(B)
    staged.close()
    control.arm(staged, Arming("1.0.1", "b"))


CHANGES: dict[str, Callable[[BootControl], object]] = {
    "sweep": lambda control: control.sweep(),
    "bless": lambda control: control.bless(entry(control, NEW)),
    "switch": lambda control: control.switch(
        entry(control, NEW), entry(control, OLD), boots=1, on_trial=True
    ),
    "remove": lambda control: control.remove(entry(control, NEW)),
    "readmit": lambda control: control.readmit(entry(control, NEW)),
    "remove and arm": arm,
}


CASES = list(itertools.product(PAIRS, CHANGES))


class WatchedEsp(RamEsp):
    """Remembers what counted after each of its changes."""

    def __init__(self, files: Files, small: Files, power: Power) -> None:
        super().__init__(files, small=small, power=power, capacity=1 << 20)
        self.seen = {state_of(small)}

    def change(self, change: Callable[[], object]) -> None:
        super().change(change)
        self.seen.add(state_of(self.small))


def medium(pair: str, power: Power) -> WatchedEsp:
    small = {name: copy for name, copy in zip(COPIES, PAIRS[pair], strict=True) if copy is not None}
    files = {"twinkeel_a.efi": A, "twinkeel_b.efi": B}
    return WatchedEsp(files, small, power)


def state_of(small: dict[str, bytes]) -> State:
    """What counts, without the sequence."""
    found = slotstate.read([small.get(name) for name in COPIES]).state
    return None if found is None else (found.first, found.a, found.b)


def states_on_the_way(pair: str, change: str) -> set[State]:
    """Every state between two whole writes."""
    esp = medium(pair, Power())
    CHANGES[change](SlotFiles(esp))
    return esp.seen


def test_what_is_called_torn_is_torn() -> None:
    with pytest.raises(InvalidInput, match="checksum"):
        slotstate.parse(TORN)


@pytest.mark.parametrize(("pair", "change"), CASES)
def test_a_cut_leaves_a_state_that_was_meant(pair: str, change: str) -> None:
    meant = states_on_the_way(pair, change)
    assert None not in meant
    for cut_at in itertools.count():
        esp = medium(pair, Power(cut_at))
        try:
            CHANGES[change](SlotFiles(esp))
        except PowerCut:
            for _, small in esp.aftermaths():
                assert state_of(small) in meant
        else:
            break


@pytest.mark.parametrize(("pair", "change"), CASES)
def test_afterwards_both_copies_agree(pair: str, change: str) -> None:
    esp = medium(pair, Power())
    CHANGES[change](SlotFiles(esp))
    assert slotstate.read([esp.small.get(name) for name in COPIES]).agree


@pytest.mark.parametrize(("pair", "change"), CASES)
def test_a_second_cut_while_it_is_mended_loses_nothing(pair: str, change: str) -> None:
    for first in range(4):
        esp = medium(pair, Power(first))
        try:
            CHANGES[change](SlotFiles(esp))
        except PowerCut:
            outcomes = list(esp.aftermaths())
        else:
            return
        for (files, small), second in itertools.product(outcomes, range(3)):
            again = RamEsp(files, small=small, power=Power(second), capacity=1 << 20)
            try:
                SlotFiles(again).sweep()
            except PowerCut:
                # A sweep changes nothing, but it drops a slot whose image is gone.
                dropped = {("a", "good", "none")} if len(files) == 1 else set()
                for _, after in again.aftermaths():
                    assert state_of(after) in {state_of(small), *dropped}
