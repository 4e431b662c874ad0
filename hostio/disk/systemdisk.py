"""The disk this machine runs from, found by what is on it.

Never by name or order: the disk is the one whose partition table has the
running root's GUIDs. A second disk with a copy of them (a clone left plugged
in) makes that ambiguous, and then nothing is touched.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from hostio.disk.blockdev import BlockDevice, FileBlockDevice
from hostio.disk.sysfs import Disk, SysBlock
from osmodel.faults import Fault, HostFailure
from osmodel.gpt import Gpt, parse
from osmodel.partitions import slot_of


class SystemDisk(Protocol):
    """Port for the disk with the slots; the fake is ``tests.fakes.ramsystem``."""

    @property
    def sector_size(self) -> int:
        """Logical sector in bytes."""
        ...

    def whole(self) -> AbstractContextManager[BlockDevice]:
        """The disk itself, for its partition table; partitions may be in use."""
        ...

    def table(self) -> Gpt:
        """The partition table as the disk has it at this moment.

        Raises:
            HostFailure: the disk cannot be read.
            UntrustedData: neither copy of the table is whole.
        """
        ...

    def partition(self, number: int) -> AbstractContextManager[BlockDevice]:
        """One partition for writing; refused when it is in use."""
        ...

    def node(self, number: int) -> Path:
        """Device node of a partition."""
        ...


def read_table(device: BlockDevice, sector_size: int) -> Gpt:
    """The partition table of a disk; see ``osmodel.gpt.parse``."""
    return parse(device.read, sector_size, device.size // sector_size)


def disk_table(disk: Disk) -> Gpt:
    """The partition table of a disk that the kernel lists.

    Raises:
        UntrustedData: it has none.
        HostFailure: it cannot be read.
    """
    with FileBlockDevice(Path(disk.node), read_only=True) as device:
        return read_table(device, disk.sector_size)


class KernelDisk:
    """A disk and its partitions as the kernel lists them."""

    def __init__(self, disk: Disk, listing: SysBlock) -> None:
        self._disk = disk
        self._listing = listing

    @property
    def sector_size(self) -> int:
        """See :attr:`SystemDisk.sector_size`."""
        return self._disk.sector_size

    def whole(self) -> AbstractContextManager[BlockDevice]:
        """See :meth:`SystemDisk.whole`."""
        return FileBlockDevice(Path(self._disk.node), shared=True)

    def table(self) -> Gpt:
        """See :meth:`SystemDisk.table`."""
        with self.whole() as whole:
            return read_table(whole, self.sector_size)

    def partition(self, number: int) -> AbstractContextManager[BlockDevice]:
        """See :meth:`SystemDisk.partition`."""
        return FileBlockDevice(self.node(number))

    def node(self, number: int) -> Path:
        """See :meth:`SystemDisk.node`."""
        found = self._listing.partition(self._disk.name, number)
        if found is None:
            raise HostFailure(f"the kernel does not show partition {number} of {self._disk.node}")
        return Path(found.node)


def system_disk(listing: SysBlock, root_hash: str) -> KernelDisk:
    """Find the disk that carries the running root.

    Raises:
        HostFailure: none does, or more than one.
    """
    found = [disk for disk in listing.disks() if _carries(disk, root_hash)]
    if len(found) != 1:
        names = ", ".join(disk.node for disk in found) or "none"
        raise HostFailure(
            f"expected one disk with the running root, found {names}",
            hint="detach copies of the system disk",
        )
    return KernelDisk(found[0], listing)


def _carries(disk: Disk, root_hash: str) -> bool:
    try:
        table = disk_table(disk)
    except Fault:
        return False  # unreadable, or no table: not a disk of ours
    return slot_of(table, root_hash) is not None
