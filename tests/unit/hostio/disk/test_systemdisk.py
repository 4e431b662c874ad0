"""The disk a machine runs from, found by what is on it."""

from pathlib import Path

import pytest

from hostio.disk.sysfs import SysBlock
from hostio.disk.systemdisk import KernelDisk, read_table, system_disk
from osmodel.faults import HostFailure
from tests.fakes.ramsystem import DISK, NEW, OLD, SECTOR, factory_media

RUNNING = OLD.release.root_hash


class SmallMachine:
    """A /sys and a /dev with files for disks."""

    def __init__(self, root: Path) -> None:
        self.sys, self.dev = root / "sys", root / "dev"
        self.dev.mkdir()

    def disk(self, name: str, content: bytes, partitions: tuple[int, ...] = ()) -> None:
        (self.dev / name).write_bytes(content)
        block = self.sys / "block" / name
        for file, text in (("size", len(content) // 512), ("queue/logical_block_size", SECTOR)):
            (block / file).parent.mkdir(parents=True, exist_ok=True)
            (block / file).write_text(f"{text}\n")
        for number in partitions:
            node = block / f"{name}{number}"
            node.mkdir()
            for file, text in (("partition", number), ("start", 128), ("size", 112)):
                (node / file).write_text(f"{text}\n")
            (node / "dev").write_text(f"254:{number}\n")
            (self.dev / f"{name}{number}").write_bytes(bytes(112 * 512))

    def system(self) -> KernelDisk:
        return system_disk(SysBlock(self.sys, self.dev), RUNNING)


@pytest.fixture
def machine(tmp_path: Path) -> SmallMachine:
    return SmallMachine(tmp_path)


def test_the_disk_with_the_running_root_is_found(machine: SmallMachine) -> None:
    machine.disk("vda", bytes(DISK))
    machine.disk("vdb", factory_media().table, (1, 2))
    machine.disk("vdc", factory_media(NEW).table)
    disk = machine.system()
    assert disk.sector_size == SECTOR
    assert disk.node(2) == machine.dev / "vdb2"
    with disk.whole() as whole:
        assert read_table(whole, SECTOR).find("root-a") is not None
    with disk.partition(2) as device:
        assert device.size == 112 * 512


def test_no_such_disk_is_a_host_failure(machine: SmallMachine) -> None:
    machine.disk("vda", bytes(DISK))
    with pytest.raises(HostFailure, match="found none"):
        machine.system()


def test_a_clone_makes_it_ambiguous(machine: SmallMachine) -> None:
    machine.disk("vda", factory_media().table)
    machine.disk("vdb", factory_media().table)
    with pytest.raises(HostFailure, match=r"found .*vda, .*vdb"):
        machine.system()


def test_a_disk_that_cannot_be_read_is_somebody_elses(machine: SmallMachine) -> None:
    machine.disk("vda", factory_media().table)
    machine.disk("vdb", bytes(DISK))
    (machine.dev / "vdb").unlink()
    assert machine.system().node is not None


def test_a_partition_the_kernel_does_not_show_is_named(machine: SmallMachine) -> None:
    machine.disk("vda", factory_media().table)
    with pytest.raises(HostFailure, match="partition 4"):
        machine.system().node(4)
