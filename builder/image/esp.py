"""The EFI system partition of a new disk: what starts a kernel image, and one kernel image.

Clusters have 4 KiB and ``EFI/Linux`` holds nothing but entries, so that every
entry name lies in the directory's first sector and the firmware's rename of it
is a single write.

On UEFI machines a loader lies beside the entries. On a Raspberry Pi the board's
own firmware files do, and none where UEFI looks for a loader: U-Boot would start it
before the script that counts tries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.boot.uki import EFI_NAMES
from builder.image import fat
from hostio.system.runner import Runner
from osmodel import slotstate
from osmodel.faults import InvalidInput

MIB = 1 << 20
MIN_SIZE = 260 * MIB  # FAT32 needs 65525 clusters, here of 4 KiB
# No default entry: it would beat the counters. The loader's own answer to an
# image it cannot start is to start again, so that its tries are used up.
LOADER_CONF = "timeout 0\neditor no\nauto-entries no\nauto-firmware no\nreboot-on-error auto\n"


@dataclass(frozen=True, slots=True)
class EspOptions:
    """What an ESP is made of.

    Attributes:
        architecture: ``x86_64`` or ``arm64``.
        size: bytes.
        entry: file name of the kernel image in ``EFI/Linux``.
        volume_id: of the file system, 32 bits.
        timestamp: of every file, seconds since 1970; FAT begins in 1980.
    """

    architecture: str
    size: int
    entry: str
    volume_id: int
    timestamp: int = 315_532_800


def make_esp(tools: Runner, uki: Path, loader: Path, out: Path, options: EspOptions) -> None:
    """Write the image of an ESP for UEFI machines.

    Args:
        tools: runs mkfs.vfat and mtools.
        uki: kernel image.
        loader: ``systemd-boot`` for the architecture, version 258 or later.
        out: file to write; its neighbour ``NAME.conf`` is used on the way.
        options: the rest.

    Raises:
        InvalidInput: it does not fit.
        HostFailure: a tool failed.
    """
    efi = EFI_NAMES[options.architecture]
    settings = out.with_name(f"{out.name}.conf")
    settings.write_text(LOADER_CONF)
    files = {
        f"EFI/Linux/{options.entry}": uki,
        f"EFI/BOOT/BOOT{efi.upper()}.EFI": loader,
        f"EFI/systemd/systemd-boot{efi}.efi": loader,
        "loader/loader.conf": settings,
    }
    _fill(tools, files, out, options, room=3 * uki.stat().st_size)
    settings.unlink()


def make_board_fat(
    tools: Runner, uki: Path, firmware: Mapping[str, Path], out: Path, options: EspOptions
) -> None:
    """Write the image of the FAT partition of a Raspberry Pi.

    Args:
        tools: runs mkfs.vfat and mtools.
        uki: kernel image of the one slot that is filled.
        firmware: files that the board reads, by name in the top directory.
        out: file to write; its neighbours ``NAME.slots*`` are used on the way.
        options: the rest.

    Raises:
        InvalidInput: it does not fit.
        HostFailure: a tool failed.
    """
    state = slotstate.encode(slotstate.factory())
    copies = {name: out.with_name(f"{out.name}.{name}") for name in slotstate.COPIES}
    for path in copies.values():
        path.write_bytes(state)
    room = 3 * uki.stat().st_size + sum(path.stat().st_size for path in firmware.values())
    files = {**firmware, **copies, f"EFI/Linux/{options.entry}": uki}
    _fill(tools, files, out, options, room=room)
    for path in copies.values():
        path.unlink()


def _fill(
    tools: Runner, files: Mapping[str, Path], out: Path, options: EspOptions, *, room: int
) -> None:
    # Two images and a third on its way must fit, with the rest beside them.
    needed = max(room + 8 * MIB, MIN_SIZE)
    if options.size < needed or options.size % MIB:
        raise InvalidInput(
            f"an ESP of {options.size} bytes cannot hold three kernel images; "
            f"it needs whole MiB, and {needed} bytes at least"
        )
    out.unlink(missing_ok=True)
    with out.open("wb") as file:
        file.truncate(options.size)
    for command in fat.fill_commands(files, out, options.volume_id, options.timestamp):
        tools.run(command)
