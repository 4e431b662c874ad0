"""The boot script, run by a real U-Boot: what it starts, and what a power cut leaves."""

import itertools
from collections.abc import Iterator

import pytest

from osmodel import slotstate
from osmodel.slotstate import COPIES, SlotState, encode
from tests.fakes.loaders import script
from tests.interop.fatdisk import SECTOR, outcomes
from tests.interop.pinnedtools import tools_tree
from tests.interop.ubootmachine import WORDS, UBootMachine, program

pytestmark = [pytest.mark.interop, pytest.mark.root]

TRIED = SlotState(8, "b", "good", "2")
BEFORE = SlotState(7, "b", "good", "3")
TORN = encode(TRIED)[:8] + encode(BEFORE)[8:]
assert slotstate.read((TORN, None)).state is None
Pair = tuple[bytes | None, bytes | None]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> UBootMachine:
    """A machine whose first start is behind it."""
    tree = tools_tree()
    place = tmp_path_factory.mktemp("u-boot")
    made = UBootMachine(tree.runner([place]), place)
    put_copies(made, both(slotstate.factory()))
    assert made.starts() == "a"
    return made


def put_copies(machine: UBootMachine, copies: Pair) -> None:
    for name, copy in zip(COPIES, copies, strict=True):
        if machine.get(name) is not None or copy is not None:
            machine.put(name, copy)


def both(state: SlotState) -> Pair:
    return encode(state), encode(state)


def state_of(copies: list[bytes | None] | Pair) -> SlotState | None:
    return slotstate.read(copies).state


STATES: dict[str, Pair] = {
    "a good slot is not counted": both(SlotState(3, "a", "good", "none")),
    "the good slot b": both(SlotState(3, "b", "good", "good")),
    "a slot on trial is counted": both(SlotState(3, "b", "good", "3")),
    "the last try": both(SlotState(3, "b", "good", "1")),
    "no try is left": both(SlotState(3, "b", "good", "0")),
    "only tries are left": both(SlotState(3, "a", "0", "2")),
    "both slots gave up": both(SlotState(3, "b", "0", "0")),
    "nothing should boot": both(SlotState(3, "a", "none", "none")),
    "the sequence wraps": both(SlotState(0xFFFF, "b", "good", "3")),
    "a sequence of hexadecimal digits": both(SlotState(0x9F, "b", "good", "2")),
    "the first copy is newer": (encode(TRIED), encode(BEFORE)),
    "the second copy is newer": (encode(BEFORE), encode(TRIED)),
    "newer, and wrapped": (
        encode(TRIED._replace(sequence=0)),
        encode(BEFORE._replace(sequence=0xFFFF)),
    ),
    "older, and wrapped": (
        encode(BEFORE._replace(sequence=0xFFFF)),
        encode(TRIED._replace(sequence=0)),
    ),
    "the first copy is torn": (TORN, encode(TRIED)),
    "the second copy is torn": (encode(TRIED), TORN),
    "the first copy is empty": (b"", encode(TRIED)),
    "the second copy is cut short": (encode(TRIED), encode(TRIED)[:300]),
    "the first copy is missing": (None, encode(TRIED)),
    "the second copy is missing": (encode(TRIED), None),
    "both copies are torn": (TORN, TORN),
    "no copy at all": (None, None),
}


@pytest.mark.parametrize("scenario", STATES)
def test_the_script_does_what_its_model_does(machine: UBootMachine, scenario: str) -> None:
    copies = STATES[scenario]
    small = {name: copy for name, copy in zip(COPIES, copies, strict=True) if copy is not None}
    put_copies(machine, copies)
    slot, after = script(small, ["a", "b"])
    assert machine.starts() == slot
    assert machine.copies() == [after.get(name) for name in COPIES]


@pytest.fixture
def spoilt(machine: UBootMachine) -> Iterator[UBootMachine]:
    """A machine that gets its kernel images back afterwards."""
    yield machine
    for slot in WORDS:
        machine.put_image(slot)


def test_a_slot_without_image_uses_its_tries_up(spoilt: UBootMachine) -> None:
    put_copies(spoilt, both(SlotState(3, "b", "good", "2")))
    spoilt.remove_image("b")
    said = spoilt.start()
    assert "slot b does not start" in said
    assert "resetting" in said
    assert spoilt.starts() == "a"
    assert state_of(spoilt.copies()) == SlotState(5, "b", "good", "0")


def test_a_truncated_image_uses_its_tries_up(spoilt: UBootMachine) -> None:
    put_copies(spoilt, both(SlotState(3, "b", "good", "1")))
    spoilt.put_image("b", b"MZ" + bytes(300))
    assert WORDS["a"] not in spoilt.start()
    assert spoilt.starts() == "a"


@pytest.mark.parametrize("damage", [None, b"MZ" + bytes(300), b""])
def test_a_good_slot_that_does_not_load_makes_room(
    spoilt: UBootMachine, damage: bytes | None
) -> None:
    put_copies(spoilt, both(SlotState(3, "b", "good", "good")))
    if damage is None:
        spoilt.remove_image("b")
    else:
        spoilt.put_image("b", damage)
    assert WORDS["a"] in spoilt.start()


@pytest.mark.parametrize("place", [0x40, -20, -1])
def test_a_good_image_with_a_flipped_bit_makes_room(spoilt: UBootMachine, place: int) -> None:
    put_copies(spoilt, both(SlotState(3, "b", "good", "good")))
    image = bytearray(program("b"))
    image[place] ^= 1
    spoilt.put_image("b", bytes(image))
    said = spoilt.start()
    assert WORDS["a"] in said
    assert WORDS["b"] not in said


def test_a_damaged_image_is_started_when_nothing_else_is_left(spoilt: UBootMachine) -> None:
    put_copies(spoilt, both(SlotState(3, "b", "good", "good")))
    spoilt.remove_image("a")
    spoilt.put_image("b", program("b")[:-4])
    said = spoilt.start()
    assert "no slot is left" in said
    assert WORDS["b"] in said


def test_without_any_state_a_bad_first_slot_is_left(spoilt: UBootMachine) -> None:
    put_copies(spoilt, (None, None))
    spoilt.remove_image("a")
    assert spoilt.starts() == "b"
    assert state_of(spoilt.copies()) == SlotState(4, "a", "0", "2")


def test_without_any_image_the_machine_starts_again(spoilt: UBootMachine) -> None:
    put_copies(spoilt, both(SlotState(3, "a", "good", "good")))
    for slot in WORDS:
        spoilt.remove_image(slot)
    said = spoilt.start()
    assert "no slot is left" in said
    assert said.rstrip().endswith("resetting ...")


# The power is cut at every sector that U-Boot writes


def cuts(machine: UBootMachine, copies: Pair) -> Iterator[None]:
    """Put every disk that a cut in one start can leave; the disk is left as it was."""
    put_copies(machine, copies)
    kept = machine.keep()
    machine.start()
    assert machine.writes(), "U-Boot has written something"
    yield from machine.cuts(kept, outcomes(machine.events(), most=80))


COUNTED: dict[str, Pair] = {
    "both whole": both(TRIED),
    "first older": (encode(BEFORE), encode(TRIED)),
    "second older": (encode(TRIED), encode(BEFORE)),
    "first torn": (TORN, encode(TRIED)),
    "second torn": (encode(TRIED), TORN),
    "first missing": (None, encode(TRIED)),
    "second missing": (encode(TRIED), None),
    "first empty": (b"", encode(TRIED)),
}


@pytest.mark.parametrize("pair", COUNTED)
def test_a_cut_while_a_try_is_counted_leaves_the_state_before_or_after(
    machine: UBootMachine, pair: str
) -> None:
    after = TRIED._replace(sequence=9, b="1")
    images = machine.images()
    found = set()
    for _ in cuts(machine, COUNTED[pair]):
        found.add(state_of(machine.copies()))
        assert machine.images() == images
    assert found == {TRIED, after}


def test_a_cut_machine_starts_and_goes_on_counting(machine: UBootMachine) -> None:
    for _ in itertools.islice(cuts(machine, (TORN, encode(TRIED))), 0, None, 12):
        before = state_of(machine.copies())
        assert before is not None
        assert machine.starts() == "b"
        now = state_of(machine.copies())
        assert now is not None
        assert int(now.b) == int(before.b) - 1


def test_counting_does_not_touch_the_structure_of_the_fat(machine: UBootMachine) -> None:
    put_copies(machine, both(TRIED))
    machine.start()
    assert {len(write.content) for write in machine.writes()} == {8 * SECTOR}
    for _ in cuts(machine, both(TRIED)):
        assert machine.complaints() == []


def test_a_start_that_is_not_counted_writes_nothing(machine: UBootMachine) -> None:
    put_copies(machine, both(SlotState(3, "a", "good", "good")))
    assert machine.starts() == "a"
    assert machine.writes() == []


def test_a_cut_in_the_first_start_of_all_leaves_state_and_images(
    machine: UBootMachine,
) -> None:
    """U-Boot writes a file of its own then, with its EFI variables."""
    if machine.get("ubootefi.var") is not None:
        machine.put("ubootefi.var", None)
    images = machine.images()
    for _ in cuts(machine, both(TRIED)):
        assert state_of(machine.copies()) in {TRIED, TRIED._replace(sequence=9, b="1")}
        assert machine.images() == images
