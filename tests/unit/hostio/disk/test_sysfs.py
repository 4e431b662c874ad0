from pathlib import Path

import pytest

from hostio.disk.sysfs import Disk, PartitionNode, SysBlock


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


@pytest.fixture
def block(tmp_path: Path) -> SysBlock:
    for name, size in {"vda": 8192, "sr0": 100, "loop0": 64, "sda": 0, "nvme0n1": 4096}.items():
        write(tmp_path / "sys/block" / name / "size", str(size))
        write(tmp_path / "sys/block" / name / "queue/logical_block_size", "512")
    for number, start in {2: 4096, 1: 2048, 10: 6144}.items():
        partition = tmp_path / f"sys/block/vda/vda{number}"
        write(partition / "partition", str(number))
        write(partition / "start", str(start))
        write(partition / "size", "2048")
        write(partition / "dev", f"254:{number}")
    return SysBlock(tmp_path / "sys", Path("/dev"))


def test_lists_disks_with_a_medium_and_nothing_else(block: SysBlock) -> None:
    assert block.disks() == [
        Disk("nvme0n1", "/dev/nvme0n1", 4096 * 512, 512),
        Disk("vda", "/dev/vda", 8192 * 512, 512),
    ]


def test_lists_partitions_by_number(block: SysBlock) -> None:
    assert [found.number for found in block.partitions("vda")] == [1, 2, 10]
    assert block.partition("vda", 10) == PartitionNode(
        10, "/dev/vda10", 6144 * 512, 2048 * 512, "254:10"
    )


def test_a_partition_the_kernel_has_not_scanned_is_absent(block: SysBlock) -> None:
    assert block.partition("vda", 3) is None
    assert block.partitions("nvme0n1") == []
    assert block.partitions("gone") == []


def test_finds_the_disk_a_partition_lies_on(block: SysBlock) -> None:
    assert block.disk_of("254:2") == "vda"
    assert block.disk_of("8:1") is None


def test_a_machine_without_disks_has_none(tmp_path: Path) -> None:
    assert SysBlock(tmp_path).disks() == []


@pytest.mark.parametrize("text", ["", "x", "-5", "\N{SUPERSCRIPT TWO}"])
def test_a_size_that_is_no_number_hides_the_disk(tmp_path: Path, text: str) -> None:
    write(tmp_path / "block/vda/size", text)
    write(tmp_path / "block/vda/queue/logical_block_size", "512")
    assert SysBlock(tmp_path).disks() == []
