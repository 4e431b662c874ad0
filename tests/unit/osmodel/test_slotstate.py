"""The state that U-Boot's script and the engine share."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmodel import slotstate
from osmodel.faults import InvalidInput
from osmodel.slotstate import SlotState, encode, factory, is_newer, parse, read

MARKS = st.sampled_from(["good", "none", *"0123456789"])
STATES = st.builds(
    SlotState, st.integers(0, 0xFFFF), st.sampled_from(slotstate.SLOTS), MARKS, MARKS
)
OLD = SlotState(7, "a", "good", "none")
NEW = SlotState(8, "b", "good", "3")


def sealed(body: bytes) -> bytes:
    padded = body.ljust(508, b"\0")
    return struct.pack("<I", zlib.crc32(padded)) + padded


@given(STATES)
def test_a_copy_reads_back(state: SlotState) -> None:
    assert parse(encode(state)) == state
    assert len(encode(state)) == slotstate.SIZE


def test_a_copy_is_what_env_export_writes() -> None:
    assert encode(NEW)[4:].rstrip(b"\0") == b"a=good\0b=3\0first=b\0seq=8"


@given(STATES, st.integers(0, 8 * slotstate.SIZE - 1))
def test_a_flipped_bit_is_not_believed(state: SlotState, bit: int) -> None:
    copy = bytearray(encode(state))
    copy[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidInput):
        parse(bytes(copy))


@given(STATES, STATES, st.integers(1, slotstate.SIZE - 1))
def test_a_torn_copy_is_not_believed(old: SlotState, new: SlotState, cut: int) -> None:
    torn = encode(new)[:cut] + encode(old)[cut:]
    try:
        assert parse(torn) in (old, new)  # torn where both are the same
    except InvalidInput as fault:
        assert "checksum" in str(fault)  # noqa: PT017 - either outcome is right


@given(st.binary(max_size=600))
def test_anything_else_is_refused(copy: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse(copy)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\0\0",
        b"a=good\0b=3\0first=b\0\0",
        b"a=good\0b=3\0first=c\0seq=8\0\0",
        b"a=good\0b=10\0first=b\0seq=8\0\0",
        b"a=Good\0b=3\0first=b\0seq=8\0\0",
        b"a=good\0b=3\0first=b\0seq=08\0\0",
        b"a=good\0b=3\0first=b\0seq=10000\0\0",
        b"a=good\0a=none\0b=3\0first=b\0seq=8\0\0",
    ],
)
def test_a_whole_copy_of_something_else_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse(sealed(body))


def test_a_field_of_a_later_format_is_no_damage() -> None:
    assert parse(sealed(b"a=good\0b=3\0first=b\0later=1\0seq=8\0\0")) == NEW


@given(st.integers(0, 0xFFFF), st.integers(1, 0x7FFF))
def test_the_sequence_may_wrap(before: int, steps: int) -> None:
    older, newer = OLD._replace(sequence=before), OLD._replace(sequence=(before + steps) & 0xFFFF)
    assert is_newer(newer, older)
    assert not is_newer(older, newer)


def test_the_next_sequence_wraps() -> None:
    last = OLD._replace(sequence=0xFFFF)
    assert NEW.following(last).sequence == 0
    assert is_newer(NEW.following(last), last)


@pytest.mark.parametrize(
    ("copies", "state", "first_written"),
    [
        ((encode(OLD), encode(NEW)), NEW, "slots0.env"),
        ((encode(NEW), encode(OLD)), NEW, "slots1.env"),
        ((encode(NEW), encode(NEW)), NEW, "slots0.env"),
        ((encode(OLD), b"rot"), OLD, "slots1.env"),
        ((b"", encode(OLD)), OLD, "slots0.env"),
        ((encode(OLD), None), OLD, "slots1.env"),
        ((None, encode(OLD)), OLD, "slots0.env"),
        ((None, b"rot"), None, "slots0.env"),
    ],
)
def test_the_newest_whole_copy_counts_and_is_written_last(
    copies: tuple[bytes | None, bytes | None], state: SlotState | None, first_written: str
) -> None:
    reading = read(copies)
    assert (reading.state, reading.order[0]) == (state, first_written)
    assert reading.agree is (copies[0] == copies[1] and state is not None)


def test_a_shipped_machine_has_one_good_slot() -> None:
    assert (factory().first, factory().a, factory().b) == ("a", "good", "none")


@pytest.mark.parametrize(
    ("name", "slot"),
    [("twinkeel_a.efi", "a"), ("TWINKEEL_B.EFI", "b"), ("twinkeel_1.0.efi", None), ("a", None)],
)
def test_a_kernel_image_is_named_by_its_slot(name: str, slot: str | None) -> None:
    assert slotstate.slot_of_entry(name) == slot
