"""The disk of a new machine: both slots, one of them filled, no state yet.

The state partition is made by the machine at its first start, as large as its
disk allows. The file is sparse: what is empty takes no room.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from builder.image import hybridmbr, sparsefile
from osmodel import gpt, partitions
from osmodel.faults import InvalidInput
from osmodel.platforms import Platform
from osmodel.verity import BLOCK, hash_device_size

MIB = 1 << 20
SECTOR = 512
_ZEROS = bytes(sparsefile.PIECE)
_TAIL = MIB  # room for the backup table, and the image ends on a whole MiB


@dataclass(frozen=True, slots=True)
class DiskOptions:
    """The shape of a disk.

    Attributes:
        image: name of the image; GUIDs that nothing else decides depend on it.
        architecture: ``x86_64`` or ``arm64``.
        esp_size: bytes, whole MiB.
        root_size: bytes of one slot's root partition, whole MiB.
        verity_size: bytes of one slot's tree, whole MiB; 0 takes what the
            largest root needs.
        platform: how the machine boots; a board's firmware may read no GPT.
    """

    image: str
    architecture: str
    esp_size: int
    root_size: int
    verity_size: int = 0
    platform: Platform = Platform.UEFI

    @property
    def tree_size(self) -> int:
        """Bytes of one slot's verity partition."""
        if self.verity_size:
            return self.verity_size
        return -(-hash_device_size(self.root_size // BLOCK) // MIB) * MIB


@dataclass(frozen=True, slots=True)
class DiskContents:
    """What fills a disk: an ESP image, and the first slot."""

    esp: Path
    root: Path
    verity: Path
    root_hash: str

    @property
    def fillings(self) -> dict[str, Path]:
        """What fills which partition, by label."""
        return {
            partitions.ESP: self.esp,
            partitions.root_label("a"): self.root,
            partitions.verity_label("a"): self.verity,
        }


def disk_table(options: DiskOptions, root_hash: str) -> gpt.Gpt:
    """The partition table of a new disk.

    Raises:
        InvalidInput: a size is not whole MiB.
    """
    filled = partitions.slot_guids(root_hash)
    empty = tuple(partitions.derived_guid(options.image, "b", part) for part in ("root", "verity"))
    root, verity = (
        types[options.architecture] for types in (partitions.ROOT_TYPES, partitions.VERITY_TYPES)
    )
    esp_guid = partitions.derived_guid(options.image, "esp")
    rows = [(partitions.ESP, partitions.ESP_TYPE, esp_guid, options.esp_size)]
    for slot, (root_guid, verity_guid) in zip(partitions.SLOTS, (filled, empty), strict=True):
        rows.append((partitions.root_label(slot), root, root_guid, options.root_size))
        rows.append((partitions.verity_label(slot), verity, verity_guid, options.tree_size))
    placed = []
    start = MIB
    for number, (label, kind, guid, size) in enumerate(rows, 1):
        if size < MIB or size % MIB:
            raise InvalidInput(f"partition {label} has {size} bytes, not whole MiB")
        first, last = start // SECTOR, (start + size) // SECTOR - 1
        placed.append(gpt.Partition(kind, guid, first, last, 0, label, number))
        start += size
    disk_guid = partitions.derived_guid(options.image, "disk")
    return gpt.Gpt(disk_guid, SECTOR, (start + _TAIL) // SECTOR, tuple(placed))


def make_disk(contents: DiskContents, out: Path, options: DiskOptions) -> gpt.Gpt:
    """Write the disk image.

    Raises:
        InvalidInput: something does not fit into its partition.
    """
    table = disk_table(options, contents.root_hash)
    fillings = contents.fillings
    out.unlink(missing_ok=True)
    with out.open("wb") as disk:
        disk.truncate(table.total_sectors * SECTOR)
        disk.write(gpt.encode_primary(table))
        if options.platform is Platform.RASPBERRYPI:
            disk_id = int(table.disk_guid[:8], 16)
            os.pwrite(disk.fileno(), hybridmbr.hybrid_mbr(table, partitions.ESP, disk_id), 0)
        for partition in table.partitions:
            if source := fillings.get(partition.label):
                _copy(source, disk.fileno(), partition)
        disk.seek(gpt.backup_lba(table) * SECTOR)
        disk.write(gpt.encode_backup(table))
    return table


def _copy(source: Path, disk: int, partition: gpt.Partition) -> None:
    size, room = source.stat().st_size, partition.sectors * SECTOR
    if size > room:
        raise InvalidInput(
            f"{source.name} has {size} bytes; partition {partition.label} has {room}"
        )
    start = partition.first_lba * SECTOR
    for offset, piece in sparsefile.pieces(source):
        if piece != _ZEROS[: len(piece)]:  # zeros become a hole
            os.pwrite(disk, piece, start + offset)
