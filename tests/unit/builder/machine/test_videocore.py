"""What the Raspberry Pi's firmware would load, as read from config.txt."""

from pathlib import Path

import pytest

from builder.machine.boards import TRAITS, Board
from builder.machine.hardware import MachineFiles
from builder.machine.preparing import card_size
from builder.machine.videocore import FirmwareChoice, firmware_choice, load
from osmodel import gpt, partitions
from osmodel.faults import InvalidInput
from tests.fakes.runner import ScriptedRunner

CONFIG = """# comment
arm_64bit=1
[pi3]
device_tree=three.dtb
[pi5]
device_tree=five.dtb
[all]
kernel=u-boot.bin
"""
SECTOR = 512
START = 2048  # sector of the boot partition


def disk(tmp_path: Path, label: str = "esp") -> Path:
    size = 8 << 20
    esp = gpt.Partition(
        partitions.ESP_TYPE, partitions.derived_guid("esp"), START, START + 2047, 0, label, 1
    )
    table = gpt.Gpt(partitions.derived_guid("disk"), SECTOR, size // SECTOR, (esp,))
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        file.truncate(size)
        file.write(gpt.encode_primary(table))
    return path


def test_the_sections_of_other_boards_do_not_count() -> None:
    assert firmware_choice(CONFIG, {"pi3"}) == FirmwareChoice("u-boot.bin", "three.dtb")
    assert firmware_choice(CONFIG, {"pi4"}) == FirmwareChoice("u-boot.bin", "")


def test_a_configuration_without_a_kernel_is_refused() -> None:
    with pytest.raises(InvalidInput, match="names no kernel"):
        firmware_choice("[none]\nkernel=x\n", {"pi3"})


def test_takes_kernel_and_device_tree_from_the_boot_partition(tmp_path: Path) -> None:
    tools = ScriptedRunner(mtype=CONFIG.encode(), mcopy=b"", fdtput=b"")
    files = MachineFiles(tmp_path)
    load(tools, disk(tmp_path), Board.RASPI4B, TRAITS[Board.RASPI4B], files)
    calls = [" ".join(command.argv) for command in tools.commands]
    place = f"{tmp_path}/disk.raw@@{START * SECTOR}"
    assert calls[0] == f"mtype -i {place} ::config.txt"
    assert calls[1] == f"mcopy -n -o -i {place} ::u-boot.bin {files.kernel}"
    assert calls[2] == f"mcopy -n -o -i {place} ::bcm2711-rpi-4-b.dtb {files.device_tree}"


def test_a_disk_without_a_boot_partition_is_refused(tmp_path: Path) -> None:
    tools = ScriptedRunner()
    with pytest.raises(InvalidInput, match="no partition 'esp'"):
        load(
            tools,
            disk(tmp_path, "other"),
            Board.RASPI3B,
            TRAITS[Board.RASPI3B],
            MachineFiles(tmp_path),
        )


@pytest.mark.parametrize(
    ("least", "size"), [(1, 1), (3, 4), (4, 4), ((8 << 30) + 1, 16 << 30), (8 << 30, 8 << 30)]
)
def test_a_card_has_a_power_of_two(least: int, size: int) -> None:
    assert card_size(least) == size
