"""What every block device promises, kept by the adapter and by the fake."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hostio.disk.blockdev import BlockDevice, FileBlockDevice
from osmodel.faults import HostFailure
from tests.fakes.ramdisk import RamDisk

SIZE = 64 * 1024
BEYOND_4_GIB = (4 << 30) + 1
BEYOND_2_GIB = (2 << 30) + 1


def file_device(path: Path, size: int = SIZE) -> FileBlockDevice:
    with path.open("wb") as file:
        file.truncate(size)
    return FileBlockDevice(path)


@pytest.fixture(params=["file", "ram"])
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlockDevice]:
    if request.param == "ram":
        yield RamDisk(SIZE)
        return
    with file_device(tmp_path / "disk") as opened:
        yield opened


def test_the_size_is_known(device: BlockDevice) -> None:
    assert device.size == SIZE


@pytest.mark.parametrize("data", [b"hello", bytearray(b"hello"), memoryview(b"hello")])
def test_what_was_written_is_read(
    device: BlockDevice, data: bytes | bytearray | memoryview
) -> None:
    device.write(10, data)
    assert device.read(9, 7) == b"\0hello\0"


def test_what_was_flushed_survives_the_cache(device: BlockDevice) -> None:
    device.write(SIZE - 4, b"last")
    device.flush()
    device.drop_cache()
    assert device.read(SIZE - 4, 4) == b"last"


def test_dropping_the_cache_loses_nothing(device: BlockDevice) -> None:
    device.write(0, b"kept")
    device.drop_cache()
    assert device.read(0, 4) == b"kept"


def test_writing_nothing_changes_nothing(device: BlockDevice) -> None:
    device.write(SIZE, b"")
    assert device.read(SIZE, 0) == b""


@pytest.mark.parametrize("offset", [-1, SIZE, SIZE - 3, 1 << 40])
def test_nothing_outside_the_device_is_touched(device: BlockDevice, offset: int) -> None:
    with pytest.raises(HostFailure, match="outside"):
        device.write(offset, b"over")
    with pytest.raises(HostFailure, match="outside"):
        device.read(offset, 4)
    assert device.size == SIZE
    assert device.read(SIZE - 4, 4) == bytes(4)


@pytest.mark.parametrize("offset", [BEYOND_2_GIB, BEYOND_4_GIB])
def test_offsets_beyond_32_bits_reach_their_place(tmp_path: Path, offset: int) -> None:
    with file_device(tmp_path / "disk", offset + 4096) as device:
        device.write(offset, b"far")
        device.flush()
        assert device.size == offset + 4096
        assert device.read(offset - 1, 5) == b"\0far\0"
        assert device.read(offset % (1 << 31), 3) == bytes(3)


def test_a_missing_device_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostFailure, match=r"no-disk: open: No such file"):
        FileBlockDevice(tmp_path / "no-disk")


@pytest.mark.parametrize("path", ["/", "/dev/null"])
def test_other_kinds_of_files_are_no_devices(path: str) -> None:
    with pytest.raises(HostFailure, match="neither a block device nor a file"):
        FileBlockDevice(Path(path))


def test_a_device_opened_for_reading_refuses_writes(tmp_path: Path) -> None:
    file_device(tmp_path / "disk").close()
    with FileBlockDevice(tmp_path / "disk", read_only=True) as device:
        assert device.read(0, 1) == b"\0"
        with pytest.raises(HostFailure, match="write 1 bytes at 0"):
            device.write(0, b"x")


def test_a_device_that_ends_early_is_a_failure(tmp_path: Path) -> None:
    with file_device(tmp_path / "disk") as device:
        os.truncate(tmp_path / "disk", 100)
        with pytest.raises(HostFailure, match="ends at 100"):
            device.read(90, 20)


@pytest.mark.parametrize(
    "use",
    [
        lambda device: device.read(0, 1),
        lambda device: device.write(0, b"x"),
        lambda device: device.flush(),
        lambda device: device.drop_cache(),
    ],
    ids=["read", "write", "flush", "drop_cache"],
)
def test_an_error_of_the_system_is_a_failure_of_the_host(
    tmp_path: Path, use: Callable[[BlockDevice], None]
) -> None:
    device = file_device(tmp_path / "disk")
    device.close()
    with pytest.raises(HostFailure, match="Bad file descriptor"):
        use(device)
