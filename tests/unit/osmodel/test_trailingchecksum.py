"""A file that ends with its own checksum has the same checksum as any other such file."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from osmodel import trailingchecksum


@given(st.lists(st.binary()))
def test_every_such_file_has_one_checksum(pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    assert zlib.crc32(content + trailingchecksum.ending(pieces)) == trailingchecksum.RESIDUE


@given(st.binary(min_size=1), st.data())
def test_a_flipped_bit_shows(content: bytes, data: st.DataObject) -> None:
    whole = bytearray(content + trailingchecksum.ending([content]))
    place = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[place // 8] ^= 1 << place % 8
    assert zlib.crc32(whole) != trailingchecksum.RESIDUE
