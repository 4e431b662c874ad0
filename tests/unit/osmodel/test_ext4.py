import struct

import pytest

from osmodel.ext4 import file_system_size
from tests.fakes.machine import ext4_head


def changed(offset: int, data: bytes) -> bytes:
    head = bytearray(ext4_head(1 << 30))
    head[1024 + offset : 1024 + offset + len(data)] = data
    return bytes(head)


def test_the_size_is_blocks_times_their_size() -> None:
    assert file_system_size(ext4_head(1 << 30)) == 1 << 30
    assert file_system_size(changed(0x18, b"\0")) == 1 << 28


def test_large_file_systems_have_a_high_half() -> None:
    head = bytearray(changed(0x60, b"\x80"))
    struct.pack_into("<I", head, 1024 + 0x150, 1)
    assert file_system_size(bytes(head)) == (1 << 30) + (1 << 44)


def test_the_high_half_counts_only_where_it_is_in_use() -> None:
    assert file_system_size(changed(0x150, b"\1")) == 1 << 30


@pytest.mark.parametrize(
    "head", [b"", bytes(4096), ext4_head(1 << 30)[:2047], changed(0x18, b"\7")]
)
def test_anything_else_is_no_file_system(head: bytes) -> None:
    assert file_system_size(head) is None
