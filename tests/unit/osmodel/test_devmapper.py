import struct
from pathlib import Path

import pytest

from hostio.disk.devmapper import KernelMapper, Target
from osmodel import devmapper
from osmodel.faults import HostFailure


def test_requests_are_those_of_the_kernels_header() -> None:
    assert devmapper.CREATE == 0xC138FD03
    assert devmapper.REMOVE == 0xC138FD04
    assert devmapper.RESUME == 0xC138FD06
    assert devmapper.LOAD == 0xC138FD09


def test_a_message_has_the_fields_where_the_kernel_looks() -> None:
    message = devmapper.message("root", uuid="CRYPT-VERITY-1-root", flags=devmapper.READ_ONLY)
    assert len(message) == 312
    assert struct.unpack_from("=3III", message) == (4, 0, 0, 312, 312)
    assert struct.unpack_from("=I", message, 28) == (1,)
    assert message[48:53] == b"root\0"
    assert message[176:196] == b"CRYPT-VERITY-1-root\0"


def test_a_table_follows_its_header() -> None:
    message = devmapper.table_message("root", "verity", 80, "1 a b")
    assert len(message) == 312 + 40 + 8
    assert struct.unpack_from("=I", message, 12) == (len(message),)
    assert struct.unpack_from("=I", message, 20) == (1,)
    start, length, status, following, kind = struct.unpack_from("=QQiI16s", message, 312)
    assert (start, length, status, following) == (0, 80, 0, 48)
    assert kind.rstrip(b"\0") == b"verity"
    assert message[352:] == b"1 a b\0\0\0"


@pytest.mark.parametrize(("device", "expected"), [(0xFD02, (253, 2)), (0x1000FD02, (253, 0x10002))])
def test_the_kernels_answer_names_the_device(device: int, expected: tuple[int, int]) -> None:
    answer = bytearray(devmapper.message("root"))
    struct.pack_into("=Q", answer, 40, device)
    assert devmapper.device_number(bytes(answer)) == expected


def test_a_machine_without_device_mapper_says_so(tmp_path: Path) -> None:
    with pytest.raises(HostFailure, match="device-mapper: No such file"):
        KernelMapper(tmp_path).make_device("root", "u", Target("verity", 8, "1"))


def test_a_refused_call_says_what_was_refused(tmp_path: Path) -> None:
    (tmp_path / "mapper").mkdir()
    (tmp_path / "mapper/control").write_bytes(b"")
    with pytest.raises(HostFailure, match="device-mapper verity root: Inappropriate ioctl"):
        KernelMapper(tmp_path).make_device("root", "u", Target("verity", 8, "1"))
