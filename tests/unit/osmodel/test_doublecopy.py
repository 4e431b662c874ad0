"""Two checksummed copies: the format, and which one counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmodel import doublecopy
from osmodel.doublecopy import Copy, Reading, decode, digest, encode

SIZE = 4096
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=500)


@given(st.integers(1, 2**64 - 1), texts, texts)
def test_a_copy_is_read_as_it_was_written(generation: int, text: str, beside: str) -> None:
    copy = Copy(generation, text, digest(beside))
    data = encode(copy, SIZE)
    assert data is not None
    assert len(data) == SIZE
    assert decode(data) == copy


@given(st.binary(max_size=200))
def test_anything_else_is_no_copy(data: bytes) -> None:
    assert decode(data) is None
    assert decode(b"TWKCOPY1" + data) is None


def test_no_flipped_bit_goes_unseen() -> None:
    data = encode(Copy(7, "text", digest("x")), SIZE)
    assert data is not None
    for bit in range(8 * (84 + 4)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert decode(bytes(flipped)) is None


def test_a_text_fits_or_there_is_no_copy() -> None:
    room = doublecopy.size_for(100) // 2 - 84
    assert encode(Copy(1, "x" * room, digest(None)), doublecopy.size_for(100) // 2) is not None
    assert encode(Copy(1, "x" * (room + 1), digest(None)), doublecopy.size_for(100) // 2) is None
    assert doublecopy.size_for(4096 - 84) == 8192
    assert doublecopy.size_for(4097 - 84) == 16384


FIRST, SECOND = Copy(1, "a", digest(None)), Copy(2, "b", digest(None))


@pytest.mark.parametrize(
    ("copies", "expected"),
    [
        ((None, None), Reading(None, 0)),
        ((FIRST, None), Reading(FIRST, 1)),
        ((None, FIRST), Reading(FIRST, 0)),
        ((FIRST, SECOND), Reading(SECOND, 0)),
        ((SECOND, FIRST), Reading(SECOND, 1)),
        ((FIRST, FIRST), Reading(FIRST, 1)),
    ],
)
def test_the_newest_whole_copy_counts_and_the_other_is_written_next(
    copies: tuple[Copy | None, Copy | None], expected: Reading
) -> None:
    assert doublecopy.read(copies) == expected
