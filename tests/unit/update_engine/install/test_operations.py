import lzma

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from osmodel.faults import UntrustedData
from osmodel.payload.manifest import OperationType
from osmodel.payload.structure import Step
from update_engine.install.operations import Expander

ZSTD = OperationType.REPLACE_ZSTD
XZ = OperationType.REPLACE_XZ
CONTENT = bytes(range(256)) * 16


def step(kind: OperationType, length: int, data: bytes) -> Step:
    return Step(kind, 0, length, len(data), b"")


def made(kind: OperationType, length: int, data: bytes) -> bytes:
    return b"".join(Expander().expand(step(kind, length, data), data))


def zstd(content: bytes, *, size: bool = True) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=size).compress(content)


def xz(content: bytes) -> bytes:
    return lzma.compress(content, check=lzma.CHECK_CRC32)


@given(st.integers(1, 5), st.binary(min_size=1, max_size=64))
def test_every_encoding_gives_the_content_back(count: int, seed: bytes) -> None:
    content = (seed * 4096)[: count * 4096]
    assert made(OperationType.REPLACE, len(content), content) == content
    assert made(ZSTD, len(content), zstd(content)) == content
    assert made(XZ, len(content), xz(content)) == content


def test_zeros_need_no_data() -> None:
    assert made(OperationType.ZERO, (1 << 20) + 4096, b"") == bytes((1 << 20) + 4096)


@pytest.mark.parametrize(
    ("kind", "length", "data"),
    [
        (OperationType.REPLACE, 4096, CONTENT[:-1]),
        (OperationType.REPLACE, 4096, CONTENT + b"x"),
        (ZSTD, 4096, zstd(CONTENT + b"x")),
        (ZSTD, 4096, zstd(CONTENT[:-1])),
        (ZSTD, 4096, zstd(CONTENT)[:-1]),
        (ZSTD, 4096, b"garbage"),
        (ZSTD, 4096, b""),
        (XZ, 4096, xz(CONTENT + b"x")),
        (XZ, 4096, xz(CONTENT[:-1])),
        (XZ, 4096, xz(CONTENT)[:-1]),
        (XZ, 4096, xz(CONTENT) + b"x"),
        (XZ, 4096, xz(CONTENT) + xz(CONTENT)),
        (XZ, 4096, lzma.compress(CONTENT, lzma.FORMAT_ALONE)),
        (XZ, 4096, b"garbage"),
        (XZ, 4096, b""),
    ],
)
def test_data_of_another_length_or_kind_is_refused(
    kind: OperationType, length: int, data: bytes
) -> None:
    with pytest.raises(UntrustedData):
        made(kind, length, data)


def test_an_xz_bomb_is_stopped_at_the_announced_length() -> None:
    bomb = xz(bytes(32 << 20))
    pieces = Expander().expand(step(XZ, 4096, bomb), bomb)
    with pytest.raises(UntrustedData, match="4096 announced"):
        next(pieces)


def test_an_xz_dictionary_beyond_the_limit_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 64 << 20}]
    greedy = lzma.compress(CONTENT, check=lzma.CHECK_CRC32, filters=filters)
    with pytest.raises(UntrustedData, match="not xz data"):
        made(XZ, 4096, greedy)


def test_a_zstd_bomb_is_stopped_at_the_announced_length() -> None:
    bomb = zstd(bytes(32 << 20))
    pieces = Expander().expand(step(ZSTD, 4096, bomb), bomb)
    with pytest.raises(UntrustedData, match="4096 announced"):
        next(pieces)


def test_a_zstd_window_beyond_the_limit_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=25)
    writer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    greedy = writer.compress(CONTENT) + writer.flush()
    with pytest.raises(UntrustedData, match="not zstd data"):
        made(ZSTD, 4096, greedy)


def test_a_zstd_frame_need_not_announce_its_length() -> None:
    assert made(ZSTD, 4096, zstd(CONTENT, size=False)) == CONTENT
