"""What a Raspberry Pi's own firmware does and QEMU leaves out: it loads the first program.

The real one runs on the graphics processor, reads ``config.txt`` on the first FAT
and starts what it names with the board's device tree. This does the same with the
same files, so that the very image for the board is what starts. It cannot show that
the real firmware reads them alike; docs/limits.md says what only a board can prove.

Source: Raspberry Pi documentation, config.txt: "Boot options" and "Conditional
filters"; QEMU 10.0, docs/system/arm/raspi.rst.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.image import fat
from builder.machine.boards import Board, Traits
from builder.machine.hardware import MachineFiles
from hostio.disk.blockdev import FileBlockDevice
from hostio.disk.systemdisk import read_table
from hostio.system.runner import Command, Runner
from osmodel.faults import InvalidInput
from osmodel.partitions import ESP

_SECTOR = 512
_FILTERS = {Board.RASPI3B: "pi3", Board.RASPI4B: "pi4"}

# What QEMU does not have, or has wrong, taken out of the device tree by fdtput.
_CHANGES: Mapping[Board, tuple[tuple[str, ...], ...]] = {
    # QEMU resets the machine when the watchdog is started, not when it runs out.
    Board.RASPI3B: (("-r", "/soc/watchdog@7e100000"),),
}


@dataclass(frozen=True, slots=True)
class FirmwareChoice:
    """What ``config.txt`` has the firmware load.

    Attributes:
        kernel: name of the program.
        device_tree: name of the board's description; empty for the firmware's own choice.
    """

    kernel: str
    device_tree: str


def firmware_choice(config: str, filters: Iterable[str]) -> FirmwareChoice:
    """Read ``config.txt`` as a board does.

    Args:
        config: the text.
        filters: sections that apply to the board besides ``[all]``.

    Raises:
        InvalidInput: it names no kernel.
    """
    applying = {"all", *filters}
    values: dict[str, str] = {}
    applies = True
    for line in config.splitlines():
        text = line.strip()
        if text.startswith("["):
            applies = text.strip("[]").lower() in applying
        elif applies and not text.startswith("#"):
            name, _, value = text.partition("=")
            values[name.strip()] = value.strip()
    if not values.get("kernel"):
        raise InvalidInput(
            "config.txt names no kernel=", hint="is this an image for a Raspberry Pi?"
        )
    return FirmwareChoice(values["kernel"], values.get("device_tree", ""))


def load(tools: Runner, disk: Path, board: Board, traits: Traits, files: MachineFiles) -> None:
    """Take from an image what the board's firmware would load from it.

    Args:
        tools: runs mtools and fdtput; sees ``disk`` and the machine's directory.
        disk: the built image.
        board: the machine.
        traits: what it consists of.
        files: receives kernel and device tree.

    Raises:
        InvalidInput: the image is not made for a Raspberry Pi.
        HostFailure: a tool failed.
    """
    image, start = disk.resolve(), _boot_partition(disk)
    config = fat.read_text(tools, image, start, "config.txt")
    names = firmware_choice(config, {_FILTERS[board]})
    sources = {
        files.kernel: names.kernel,
        files.device_tree: names.device_tree or traits.device_tree,
    }
    for target, name in sources.items():
        fat.extract(tools, image, start, name, target)
    for command, *rest in _CHANGES.get(board, ()):
        tools.run(Command(("fdtput", command, str(files.device_tree), *rest)))


def _boot_partition(disk: Path) -> int:
    """Where the boot partition begins, in bytes."""
    with FileBlockDevice(disk, read_only=True) as device:
        partition = read_table(device, _SECTOR).find(ESP)
    if partition is None:
        raise InvalidInput(f"{disk}: no partition {ESP!r} in it")
    return partition.first_lba * _SECTOR
