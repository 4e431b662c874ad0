"""Block devices as the kernel lists them; works before udev has started.

Names come from /sys/block, nodes are those devtmpfs makes. Nothing is cached:
disks appear late and partitions change while we look.

Source: Linux 6.12, Documentation/ABI/stable/sysfs-block.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

SECTOR = 512  # the unit of every size in /sys/block, whatever the disk's sector

# Never hold a partition table of ours: memory, loop, optical and mapped devices.
_NO_DISK = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "mtdblock")


class Disk(NamedTuple):
    """A whole disk.

    Attributes:
        name: of the kernel, e.g. ``vda`` or ``nvme0n1``.
        node: its device node.
        size: bytes.
        sector_size: logical sector in bytes.
    """

    name: str
    node: str
    size: int
    sector_size: int


class PartitionNode(NamedTuple):
    """A partition the kernel knows on a disk.

    Attributes:
        number: place in the partition table, from 1.
        node: its device node.
        start: offset on the disk in bytes.
        size: bytes.
        device: ``major:minor``.
    """

    number: int
    node: str
    start: int
    size: int
    device: str


class SysBlock:
    """The kernel's list of block devices.

    Args:
        sys: where sysfs is mounted.
        dev: where devtmpfs is mounted.
    """

    def __init__(self, sys: Path = Path("/sys"), dev: Path = Path("/dev")) -> None:
        self._block = sys / "block"
        self._dev = dev

    def disks(self) -> list[Disk]:
        """Every disk with a medium in it, by name."""
        found = []
        for entry in _listed(self._block):
            size = _number(entry / "size")
            sector_size = _number(entry / "queue" / "logical_block_size")
            if size and sector_size and not entry.name.startswith(_NO_DISK):
                # The kernel writes "!" for "/" in names such as cciss/c0d0.
                node = str(self._dev / entry.name.replace("!", "/"))
                found.append(Disk(entry.name, node, size * SECTOR, sector_size))
        return found

    def partitions(self, disk: str) -> list[PartitionNode]:
        """The partitions the kernel has scanned on a disk, by number."""
        found = []
        for entry in _listed(self._block / disk):
            number = _number(entry / "partition")
            start, size = _number(entry / "start"), _number(entry / "size")
            device = _text(entry / "dev")
            if number is None or start is None or size is None or device is None:
                continue
            node = str(self._dev / entry.name.replace("!", "/"))
            found.append(PartitionNode(number, node, start * SECTOR, size * SECTOR, device))
        return sorted(found)

    def partition(self, disk: str, number: int) -> PartitionNode | None:
        """One partition of a disk, or ``None`` while the kernel does not show it."""
        for found in self.partitions(disk):
            if found.number == number:
                return found
        return None

    def disk_of(self, device: str) -> str | None:
        """Name of the disk with the partition ``major:minor``, if any."""
        for disk in self.disks():
            if any(found.device == device for found in self.partitions(disk.name)):
                return disk.name
        return None


def _listed(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []  # gone since its name was read, or no disk at all yet


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
