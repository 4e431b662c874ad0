"""A master boot record that shows one partition of a GPT to firmware without GPT.

The first boot code of a Raspberry Pi reads FAT from the partitions of a master
boot record; not every model's reads a GPT. The first entry shows the FAT
partition, the second one covers the GPT itself, so that Linux, U-Boot and
systemd-repart still find that one and take it for the truth. They leave this
sector alone afterwards, and so does the update engine.

Source: UEFI 2.10, section 5.2; Linux 6.12, block/partitions/efi.c
(``is_pmbr_valid``); libfdisk 2.41, gpt.c ("writing GPT only").
"""

from __future__ import annotations

import struct

from osmodel.faults import InvalidInput
from osmodel.gpt import Gpt

_PARTITION = struct.Struct("<B3sB3sII")
_FAT32_LBA = 0x0C
_GPT = 0xEE
_NO_CHS = b"\xfe\xff\xff"  # beyond what cylinder, head and sector can say
_ENTRIES = 446  # offset in bytes
_LIMIT = 1 << 32  # sectors


def hybrid_mbr(table: Gpt, label: str, disk_id: int) -> bytes:
    """The disk's first sector.

    Args:
        table: of the disk.
        label: of the partition that the first entry shows; it must be the first.
        disk_id: 32 bits that tell disks apart.

    Raises:
        InvalidInput: the partition does not exist, or lies where 32 bits do not reach.
    """
    shown = table.find(label)
    if shown is None or shown.last_lba >= _LIMIT:
        raise InvalidInput(f"partition {label!r} cannot be shown in a master boot record")
    entries = _PARTITION.pack(
        0, _NO_CHS, _FAT32_LBA, _NO_CHS, shown.first_lba, shown.sectors
    ) + _PARTITION.pack(0, b"\0\2\0", _GPT, _NO_CHS, 1, shown.first_lba - 1)
    head = bytes(440) + struct.pack("<I", disk_id) + bytes(2)
    return (head + entries.ljust(64, b"\0") + b"\x55\xaa").ljust(table.sector_size, b"\0")
