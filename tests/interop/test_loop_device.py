"""The block device adapter on a block device that the kernel made."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostio.disk.blockdev import FileBlockDevice
from hostio.system.runner import Command, LocalRunner
from osmodel.faults import HostFailure

pytestmark = [pytest.mark.interop, pytest.mark.root]

SIZE = 16 << 20


@pytest.fixture
def backing(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(SIZE)
    return path


@pytest.fixture
def loop(backing: Path) -> Iterator[Path]:
    if os.geteuid() != 0 or not Path("/dev/loop-control").exists():
        pytest.skip("needs root and loop devices")
    runner = LocalRunner()
    node = runner.run(Command(["losetup", "--find", "--show", str(backing)])).decode().strip()
    try:
        yield Path(node)
    finally:
        runner.run(Command(["losetup", "--detach", node]))


def test_a_block_device_has_its_size(loop: Path) -> None:
    with FileBlockDevice(loop) as device:
        assert device.size == SIZE


def test_what_was_flushed_is_in_the_backing_file(loop: Path, backing: Path) -> None:
    with FileBlockDevice(loop) as device:
        device.write(1 << 20, b"durable" * 1000)
        device.flush()
        assert backing.read_bytes()[1 << 20 :].startswith(b"durable" * 1000)


def test_dropping_the_cache_shows_what_the_medium_holds(loop: Path, backing: Path) -> None:
    with FileBlockDevice(loop) as device:
        assert device.read(0, 4096) == bytes(4096)
        with backing.open("r+b") as medium:
            medium.write(b"rot")
        assert device.read(0, 3) == bytes(3)  # what the cache remembers
        device.drop_cache()
        assert device.read(0, 3) == b"rot"


def test_a_device_in_use_is_refused(loop: Path) -> None:
    with FileBlockDevice(loop):
        with pytest.raises(HostFailure, match="busy"):
            FileBlockDevice(loop)
        FileBlockDevice(loop, read_only=True).close()
        FileBlockDevice(loop, shared=True).close()


def test_a_mounted_device_is_refused(loop: Path, tmp_path: Path) -> None:
    runner = LocalRunner()
    runner.run(Command(["mkfs.ext4", "-q", str(loop)]))
    mount_point = tmp_path / "mounted"
    mount_point.mkdir()
    runner.run(Command(["mount", str(loop), str(mount_point)]))
    try:
        with pytest.raises(HostFailure, match="busy"):
            FileBlockDevice(loop)
    finally:
        runner.run(Command(["umount", str(mount_point)]))


def test_a_full_medium_is_a_failure_of_the_host(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    runner = LocalRunner()
    small = tmp_path / "small"
    small.mkdir()
    runner.run(Command(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]))
    try:
        with (small / "disk").open("wb") as file:
            file.truncate(1 << 20)
        with (
            FileBlockDevice(small / "disk") as device,
            pytest.raises(HostFailure, match="write 262144 bytes at 0: No space left"),
        ):
            device.write(0, bytes(256 << 10))
    finally:
        runner.run(Command(["umount", str(small)]))
