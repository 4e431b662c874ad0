"""What a Raspberry Pi needs before a kernel image: firmware, U-Boot, device trees.

The same files go to two places: onto the FAT partition, where the board reads
them, and into the root, from where ``update-ctl firmware update`` takes them on
request. They are not part of a slot: nothing changes them on a machine by
itself.

Firmware is proprietary and may be handed on unmodified with its licence only;
so the licence lies beside it in both places.

Source: raspberrypi/documentation, config_txt/boot.adoc and boot_folder.adoc;
U-Boot 2025.01, doc/board/broadcom/raspberrypi.rst.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.boot import bootscript
from builder.removal import remove_tree
from hostio.system.runner import Command, Runner
from osmodel import firmwarefiles
from osmodel.faults import HostFailure

# bootcode.bin, start.elf and fixup.dat start models 3 and Zero 2 W, the others
# models 4, 400 and CM4; a model 5 has all of it in its own memory.
BLOBS = ("bootcode.bin", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat")
_BLOBS_IN = Path("usr/lib/raspi-firmware")
_LICENCE_IN = Path("usr/share/doc/raspi-firmware/copyright")
_UBOOT_IN = Path("usr/lib/u-boot/rpi_arm64/u-boot.bin")
LICENCE = "LICENCE.broadcom"
UBOOT = "u-boot.bin"
CONFIG = "config.txt"
# Raspberry Pi 3 and 4 families, and 5.
TREES = ("bcm2837-rpi-*.dtb", "bcm2711-rpi-*.dtb", "bcm2712-*rpi-*.dtb")

# enable_uart: U-Boot stops when its console has no steady clock.
# upstream_kernel: device trees have the names that Linux gives them.
CONFIG_TEXT = """\
# Read by the firmware of the Raspberry Pi. `update-ctl firmware update` leaves
# this file alone unless it is named.
arm_64bit=1
enable_uart=1
upstream_kernel=1
kernel=u-boot.bin
"""


@dataclass(frozen=True, slots=True)
class FirmwareSources:
    """Where the files come from.

    Attributes:
        debs: the .deb file of each package, by its name.
        versions: the version of each package, by its name.
        device_trees: directory with the kernel's device trees for these boards.
        epoch: time in the script's header, seconds since 1970.
    """

    debs: Mapping[str, Path]
    versions: Mapping[str, str]
    device_trees: Path
    epoch: int


def make_firmware(tools: Runner, sources: FirmwareSources, out: Path) -> None:
    """Fill ``out/root`` with the tree that belongs into the root.

    Args:
        tools: runs dpkg-deb and mkimage; sees the packages and ``out``.
        sources: what it is made from.
        out: an empty directory.

    Raises:
        HostFailure: a package lacks a file, or a tool failed.
    """
    scratch = out / "packages"
    scratch.mkdir()
    for deb in sources.debs.values():
        tools.run(Command(["dpkg-deb", "--extract", str(deb), str(scratch)]))
    place = directory(out)
    place.mkdir(parents=True)
    for name in BLOBS:
        _copy(scratch / _BLOBS_IN / name, place / name)
    _copy(scratch / _LICENCE_IN, place / LICENCE)
    _copy(scratch / _UBOOT_IN, place / UBOOT)
    for tree in _device_trees(sources.device_trees):
        _copy(tree, place / tree.name)
    (place / CONFIG).write_text(CONFIG_TEXT)
    bootscript.make_boot_script(tools, place / bootscript.FILE, sources.epoch)
    remove_tree(scratch)
    _write_listing(place, sources.versions)


def directory(out: Path) -> Path:
    """Where :func:`make_firmware` puts the files."""
    return out / "root" / firmwarefiles.HOME


def files_for_fat(out: Path) -> dict[str, Path]:
    """The finished files, by their names on the FAT partition."""
    return {path.name: path for path in sorted(directory(out).iterdir())}


def _device_trees(directory: Path) -> Sequence[Path]:
    found = sorted({path for pattern in TREES for path in directory.glob(pattern)})
    if not found:
        raise HostFailure("the kernel's package has no device trees for a Raspberry Pi")
    return found


def _copy(source: Path, target: Path) -> None:
    if not source.is_file():
        raise HostFailure(f"the packages of the firmware lack {source.name}")
    shutil.copyfile(source, target)


def _write_listing(place: Path, versions: Mapping[str, str]) -> None:
    files = {}
    for path in sorted(place.iterdir()):
        content = path.read_bytes()
        files[path.name] = firmwarefiles.File(len(content), hashlib.sha256(content).hexdigest())
    text = json.dumps(firmwarefiles.to_json(firmwarefiles.Listing(dict(versions), files)), indent=1)
    (place / firmwarefiles.LISTING).write_text(text + "\n")
