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

from builder.machine.boards import Board, Traits
from builder.machine.hardware import MachineFiles
from hostio.disk.blockdev import FileBlockDevice
from hostio.disk.systemdisk import read_table
from hostio.system.runner import Command, Runner
from osmodel.faults import InvalidInput
from osmodel.partitions import ESP

_SECTOR = 512
_FILTERS = {Board.RASPI3B: "pi3", Board.RASPI4B: "pi4"}
_ENVIRONMENT = {"MTOOLS_SKIP_CHECK": "1"}

# What QEMU does not have, or has wrong, taken out of the device tree by fdtput.
_CHANGES: Mapping[Board, tuple[tuple[str, ...], ...]] = {
    # QEMU resets the machine when the watchdog is started, not when it runs out.
    Board.RASPI3B: (("-r", "/soc/watchdog@7e100000"),),
}


@dataclass(frozen=True, slots=True)
class BootFiles:
    """What ``config.txt`` has the firmware load.

    Attributes:
        kernel: name of the program.
        device_tree: name of the board's description; empty for the firmware's own choice.
    """

    kernel: str
    device_tree: str


def boot_files(config: str, filters: Iterable[str]) -> BootFiles:
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
    return BootFiles(values["kernel"], values.get("device_tree", ""))


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
    place = f"{disk.resolve()}@@{_boot_partition(disk)}"
    call = Command(("mtype", "-i", place, "::config.txt"), env=_ENVIRONMENT)
    config = tools.run(call).decode(errors="replace")
    names = boot_files(config, {_FILTERS[board]})
    sources = {
        files.kernel: names.kernel,
        files.device_tree: names.device_tree or traits.device_tree,
    }
    for target, name in sources.items():
        argv = ("mcopy", "-n", "-o", "-i", place, f"::{name}", str(target))
        tools.run(Command(argv, env=_ENVIRONMENT))
    for command, *rest in _CHANGES.get(board, ()):
        tools.run(Command(("fdtput", command, str(files.device_tree), *rest)))


def _boot_partition(disk: Path) -> int:
    """Where the boot partition begins, in bytes."""
    with FileBlockDevice(disk, read_only=True) as device:
        partition = read_table(device, _SECTOR).find(ESP)
    if partition is None:
        raise InvalidInput(f"{disk}: no partition {ESP!r} in it")
    return partition.first_lba * _SECTOR
