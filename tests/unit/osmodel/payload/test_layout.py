import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmodel.faults import UntrustedData
from osmodel.payload.layout import MAX_MANIFEST, MAX_SIGNATURES, Header, blocks

GOOD = Header(100, 200)


@given(st.integers(1, MAX_MANIFEST), st.integers(0, MAX_SIGNATURES))
def test_parsing_undoes_encoding(manifest_size: int, signature_size: int) -> None:
    header = Header(manifest_size, signature_size)
    assert Header.parse(header.encode()) == header


def test_the_header_is_the_one_of_the_format() -> None:
    assert GOOD.encode() == (
        b"CrAU" + (2).to_bytes(8, "big") + (100).to_bytes(8, "big") + (200).to_bytes(4, "big")
    )
    assert GOOD.data_start == 24 + 100 + 200


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (GOOD.encode()[:-1], "23 bytes of 24"),
        (b"", "0 bytes of 24"),
        (b"PK\3\4" + GOOD.encode()[4:], "not a payload"),
        (GOOD.encode()[:4] + (1).to_bytes(8, "big") + GOOD.encode()[12:], "payload version 1"),
        (Header(0, 200).encode(), "manifest of 0 bytes"),
        (Header(MAX_MANIFEST + 1, 200).encode(), "manifest of 16777217 bytes"),
        (Header(2**64 - 1, 200).encode(), "manifest of 18446744073709551615 bytes"),
        (Header(100, MAX_SIGNATURES + 1).encode(), "metadata signature of 65537 bytes"),
    ],
)
def test_other_headers_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(UntrustedData, match=reason):
        Header.parse(data)


@pytest.mark.parametrize(("size", "count"), [(0, 0), (1, 1), (4096, 1), (4097, 2), (2**40, 2**28)])
def test_the_last_block_may_be_partly_used(size: int, count: int) -> None:
    assert blocks(size) == count
