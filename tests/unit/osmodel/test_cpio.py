import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmodel import cpio
from osmodel.cpio import Entry
from osmodel.faults import InvalidInput, UntrustedData

PARTS = st.text("abcXYZ09._- é", min_size=1, max_size=12).filter(lambda part: part != "..")
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
ENTRIES = st.builds(
    Entry,
    NAMES,
    st.integers(0, 0o177777),
    st.binary(max_size=40),
    st.tuples(st.integers(0, 255), st.integers(0, 255)),
)


def archive(*entries: Entry) -> bytes:
    return b"".join(cpio.encode(entries))


@given(st.lists(ENTRIES, max_size=8, unique_by=lambda entry: entry.name))
def test_parsing_undoes_encoding(entries: list[Entry]) -> None:
    assert cpio.parse(archive(*entries)) == tuple(sorted(entries))


def test_the_order_of_the_files_does_not_matter() -> None:
    one, two = cpio.file("a", b"1"), cpio.directory("b")
    assert archive(one, two) == archive(two, one)


def test_parents_come_before_their_children() -> None:
    names = [
        entry.name for entry in cpio.parse(archive(cpio.file("a/b", b""), cpio.directory("a")))
    ]
    assert names == ["a", "a/b"]


def test_the_archive_is_padded_for_the_kernel() -> None:
    assert len(archive()) % 512 == 0


def test_each_kind_of_file_keeps_its_mode() -> None:
    assert stat.S_ISLNK(cpio.symlink("a", "b").mode)
    assert stat.S_ISDIR(cpio.directory("a").mode)
    assert cpio.file("a", b"", 0o755).mode == stat.S_IFREG | 0o755


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "..", "a/../b", "a\0b", "x" * 5000])
def test_a_name_that_leaves_the_archive_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="bad name"):
        archive(cpio.file(name, b""))


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'a' twice"):
        archive(cpio.file("a", b"1"), cpio.file("a", b"2"))


@pytest.mark.parametrize("kept", [0, 1, 109, 110, 120, 130])
def test_a_truncated_archive_is_refused(kept: int) -> None:
    with pytest.raises(UntrustedData):
        cpio.parse(archive(cpio.file("a", b"x" * 20))[:kept])


@pytest.mark.parametrize(
    ("offset", "data"),
    [
        (0, b"1"),
        (5, b"7"),
        (14, b" 1"),
        (6, b"-0000001"),
        (54, b"ffffffff"),
        (94, b"00000000"),
        (94, b"zz"),
    ],
)
def test_a_damaged_archive_is_refused(offset: int, data: bytes) -> None:
    whole = bytearray(archive(cpio.file("a", b"x" * 20)))
    whole[offset : offset + len(data)] = data
    with pytest.raises(UntrustedData):
        cpio.parse(bytes(whole))
