import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.image import sparsefile

BLOCK = 4096
ISLANDS = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 90)), max_size=4)


def sparse(path: Path, islands: list[tuple[int, int]], size: int) -> Path:
    with path.open("wb") as file:
        for start, length in islands:
            file.seek(start * BLOCK)
            file.write(os.urandom(length * BLOCK + 17))
        file.truncate(size)
    return path


@given(islands=ISLANDS, size=st.integers(0, 2 << 20))
def test_holes_count_as_zeros_in_the_digest(
    tmp_path_factory: pytest.TempPathFactory, islands: list[tuple[int, int]], size: int
) -> None:
    path = sparse(tmp_path_factory.mktemp("sparse") / "file", islands, size)
    assert sparsefile.sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


@given(islands=ISLANDS)
def test_the_pieces_are_all_that_is_not_zero(
    tmp_path_factory: pytest.TempPathFactory, islands: list[tuple[int, int]]
) -> None:
    size = 500 * BLOCK
    path = sparse(tmp_path_factory.mktemp("sparse") / "file", islands, size)
    copy = bytearray(size)
    for offset, piece in sparsefile.pieces(path):
        assert len(piece) <= sparsefile.PIECE
        copy[offset : offset + len(piece)] = piece
    assert copy == path.read_bytes()


def test_a_hole_is_not_read(tmp_path: Path) -> None:
    path = sparse(tmp_path / "file", [(0, 1)], 1 << 40)
    seen = sum(len(piece) for _, piece in sparsefile.pieces(path))
    assert seen < 1 << 20


def test_an_empty_file_has_no_pieces(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert list(sparsefile.pieces(tmp_path / "file")) == []
