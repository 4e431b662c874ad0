"""Disks and cards that an operator wants to overwrite: what the kernel knows of them.

Asked before a disk is opened for writing, so that the answer can name what
would be lost. The kernel has the last word all the same: the device is opened
exclusively afterwards, which it refuses while anything uses it.

Source: Linux 6.12, Documentation/ABI/stable/sysfs-block, proc_pid_mountinfo(5).
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from osmodel.faults import HostFailure, InvalidInput

_SECTOR = 512  # the unit of sizes in sysfs
_BLKRRPART = 0x125F  # linux/fs.h: _IO(0x12, 95)
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Medium:
    """A block device as the kernel describes it.

    Attributes:
        node: its device node.
        is_partition: part of a disk rather than a whole one.
        size: bytes; 0 without a medium.
        sector_size: logical sector in bytes.
        read_only: whether the kernel refuses to write.
        model: what the maker calls it, or empty.
        partitions: how many the kernel knows on it.
        users: what uses it or a part of it, one line each.
    """

    node: Path
    is_partition: bool
    size: int
    sector_size: int
    read_only: bool
    model: str
    partitions: int
    users: tuple[str, ...]


class DiskInventory(Protocol):
    """Port for asking about disks; the fake is ``tests.fakes.media``."""

    def look(self, node: Path) -> Medium:
        """What is known of a device.

        Raises:
            InvalidInput: missing, or not a block device.
        """
        ...

    def scan(self, node: Path) -> None:
        """Make the kernel read the partition table again; failing is no harm."""
        ...


class KernelDiskInventory:
    """See :class:`DiskInventory`.

    Args:
        sys: where sysfs is mounted.
        proc: where procfs is mounted.
    """

    def __init__(self, sys: Path = Path("/sys"), proc: Path = Path("/proc")) -> None:
        self._sys = sys
        self._proc = proc

    def look(self, node: Path) -> Medium:
        """See :meth:`DiskInventory.look`."""
        number = _number_of(node)
        if number is None:
            raise InvalidInput(f"{node}: not a block device")
        place = (self._sys / "dev/block" / number).resolve()
        is_partition = (place / "partition").exists()
        disk = place.parent if is_partition else place
        parts = [entry for entry in _entries(place) if (entry / "partition").exists()]
        return Medium(
            node=node,
            is_partition=is_partition,
            size=int(_text(place / "size") or "0") * _SECTOR,
            sector_size=int(_text(disk / "queue/logical_block_size") or "0"),
            read_only=_text(place / "ro") == "1",
            model=_model(disk),
            partitions=len(parts),
            users=tuple(sorted(set(self._users([place, *parts])))),
        )

    def scan(self, node: Path) -> None:
        """See :meth:`DiskInventory.scan`."""
        try:
            descriptor = os.open(node, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            fcntl.ioctl(descriptor, _BLKRRPART, 0)
        except OSError:
            return  # busy, or a loop device without partitions
        finally:
            os.close(descriptor)

    def _users(self, places: Iterable[Path]) -> Iterator[str]:
        """What uses these devices, or devices that lie on them."""
        mounted = self._mounted()
        for place in places:
            number = _text(place / "dev")
            yield from (f"{place.name} {use}" for use in mounted.get(number, ()))
            for holder in _entries(place / "holders"):
                yield f"{place.name} is part of {_text(holder / 'dm/name') or holder.name}"
                yield from self._users([holder.resolve()])

    def _mounted(self) -> dict[str, list[str]]:
        """How each device number is used: mount points and swap."""
        found: dict[str, list[str]] = {}
        for process in ("self", "1"):
            for line in _text(self._proc / process / "mountinfo").splitlines():
                fields = line.split(" ")
                source = fields[fields.index("-") + 2]
                point = _ESCAPE.sub(lambda code: chr(int(code[1], 8)), fields[4])
                # Btrfs shows numbers of its own; there the source names the device.
                for number in {fields[2], _number_of(Path(source)) or fields[2]}:
                    found.setdefault(number, []).append(f"is mounted at {point}")
        for line in _text(self._proc / "swaps").splitlines()[1:]:
            if swapped := _number_of(Path(line.split()[0])):
                found.setdefault(swapped, []).append("is swap space")
        return found


def _number_of(node: Path) -> str | None:
    """``major:minor`` of a block device, or ``None`` for anything else."""
    try:
        status = node.stat()
    except (OSError, ValueError):
        return None
    if not stat.S_ISBLK(status.st_mode):
        return None
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"


def _model(disk: Path) -> str:
    words = [_text(disk / "device" / name) for name in ("vendor", "model", "name")]
    backing = _text(disk / "loop/backing_file")
    return " ".join(word for word in (*words, backing) if word)


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        if path.name in {"mountinfo", "swaps"}:
            # Not knowing what is mounted must not look like nothing being mounted.
            raise HostFailure(f"{path}: {error.strerror}") from error
        return ""
