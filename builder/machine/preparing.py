"""Makes the files of a machine from a built image, which stays as it is."""

from __future__ import annotations

from pathlib import Path

from builder.machine import videocore
from builder.machine.boards import TRAITS, Board
from builder.machine.hardware import MachineFiles
from builder.machine.world import MachineWorld
from hostio.system.runner import Command
from osmodel.faults import InvalidInput

# A Unix socket's path has 107 bytes at most; OpenSSH adds 18 to the longest name.
_LONGEST_PATH = 80


def check_image(image: Path) -> Path:
    """The disk in an output directory of ``build-image``.

    Raises:
        InvalidInput: there is none.
    """
    disk = image / "disk.raw"
    if not disk.is_file():
        raise InvalidInput(
            f"{image}: there is no disk.raw in it",
            hint="make one with: build-image images/minimal",
        )
    return disk


def prepare(
    world: MachineWorld, image: Path, directory: Path, *, disk_size: int, board: Board = Board.PC
) -> MachineFiles:
    """Make the disk and the firmware's files of a machine, unless they are there.

    Args:
        world: where the tools are.
        image: output directory of ``build-image``.
        directory: the machine's own directory.
        disk_size: bytes; the disk is at least as large as the image.
        board: the kind of machine.

    Raises:
        InvalidInput: ``image`` has no disk in it, or ``directory`` is too deep.
        HostFailure: a tool failed.
    """
    files, traits = MachineFiles(directory), TRAITS[board]
    disk = check_image(image)
    if len(str(directory)) > _LONGEST_PATH:
        raise InvalidInput(
            f"{directory}: the path is too long for the sockets in it",
            hint=f"use a directory with at most {_LONGEST_PATH} characters",
        )
    directory.mkdir(parents=True, exist_ok=True)
    tools = world.tools.runner((image.resolve(), directory))
    if not files.disk.exists():
        size = max(disk_size, disk.stat().st_size)
        if not traits.is_virtual:
            size = card_size(size)
        backing = ("-b", str(disk.resolve()), "-F", "raw")
        create = ("qemu-img", "create", "-q", "-f", "qcow2", *backing)
        tools.run(Command((*create, str(files.disk), str(size))))
    if traits.flash is not None and not files.variables.exists():
        source, target = str(traits.flash[1]), str(files.variables)
        tools.run(Command(("cp", "--no-preserve=mode", source, target)))
    if not traits.is_virtual:
        videocore.load(tools, disk, board, traits, files)
    return files


def card_size(least: int) -> int:
    """Bytes of the smallest memory card that QEMU accepts: a power of two."""
    return 1 << max(least - 1, 0).bit_length()
