"""The partition table of a disk: both copies as bytes, and back.

A slot is named by the GUIDs of its partitions, so this table decides what a
machine boots. Writers put the backup copy on the disk before the primary one:
a reader then finds a whole table after a power cut at any moment. Only the
shape that Linux reads is accepted (entries of 128 bytes, at most 128 of them).

Tuples rather than dataclasses: the initrd loads this module at every start,
and ``dataclasses`` costs more to import than the rest of it together.

Source: UEFI 2.10, section 5.3; Linux 6.12, block/partitions/efi.c.
"""

from __future__ import annotations

import struct
from binascii import crc32
from typing import TYPE_CHECKING, NamedTuple

from osmodel.faults import InvalidInput, UntrustedData

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ENTRIES = 128
SECTOR_SIZES = (512, 4096)

_SIGNATURE = b"EFI PART"
_REVISION = 0x0001_0000
_UNUSED = bytes(16)
# signature, revision, header size, header CRC, reserved, own LBA, other LBA,
# first and last usable LBA, disk GUID, entries LBA, entry count, entry size, entries CRC
_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
# type GUID, partition GUID, first LBA, last LBA, attributes, label in UTF-16
_ENTRY = struct.Struct("<16s16sQQQ72s")
_MBR_PARTITION = struct.Struct("<B3sB3sII")


class Partition(NamedTuple):
    """One entry of the table.

    Attributes:
        type_guid: what it is for, lower-case UUID text.
        guid: which one it is, lower-case UUID text.
        first_lba: first sector.
        last_lba: last sector, inclusive.
        attributes: 64 bits; 60 is read-only, 59 is grow-file-system.
        label: at most 36 UTF-16 units.
        number: place in the table, from 1, which is the kernel's partition
            number; 0 asks the encoder for the first free place.
    """

    type_guid: str
    guid: str
    first_lba: int
    last_lba: int
    attributes: int
    label: str
    number: int = 0

    @property
    def sectors(self) -> int:
        """Length in sectors."""
        return self.last_lba - self.first_lba + 1


class Gpt(NamedTuple):
    """A whole table and the size of the disk it lies on."""

    disk_guid: str
    sector_size: int
    total_sectors: int
    partitions: tuple[Partition, ...]

    @property
    def first_usable(self) -> int:
        """First sector a partition may have."""
        return 2 + _entry_sectors(self.sector_size)

    @property
    def last_usable(self) -> int:
        """Last sector a partition may have."""
        return self.total_sectors - 2 - _entry_sectors(self.sector_size)

    def find(self, label: str) -> Partition | None:
        """The partition with this label, or ``None``.

        Raises:
            UntrustedData: two partitions have it; choosing one would be a guess.
        """
        found = [partition for partition in self.partitions if partition.label == label]
        if len(found) > 1:
            raise UntrustedData(f"{len(found)} partitions are labelled {label!r}")
        return found[0] if found else None

    def with_guids(self, guids: Mapping[str, str]) -> Gpt:
        """The same table with other partition GUIDs, by label.

        Raises:
            InvalidInput: no partition has one of the labels.
        """
        missing = set(guids) - {partition.label for partition in self.partitions}
        if missing:
            raise InvalidInput(f"no partition labelled {min(missing)!r}")
        changed = (p._replace(guid=guids.get(p.label, p.guid).lower()) for p in self.partitions)
        return self._replace(partitions=tuple(changed))


def encode_primary(table: Gpt) -> bytes:
    """Protective MBR, header and entries: what lies at the start of the disk.

    Raises:
        InvalidInput: the table cannot exist, for instance partitions overlap.
    """
    entries = _encode_entries(table)
    header = _encode_header(table, entries, own=1, other=table.total_sectors - 1, at=2)
    return _protective_mbr(table) + header + entries


def encode_backup(table: Gpt) -> bytes:
    """Entries and header: the last sectors of the disk, see ``backup_lba``."""
    entries = _encode_entries(table)
    last = table.total_sectors - 1
    header = _encode_header(table, entries, own=last, other=1, at=backup_lba(table))
    return entries + header


def backup_lba(table: Gpt) -> int:
    """The sector at which the bytes of ``encode_backup`` belong."""
    return table.total_sectors - 1 - _entry_sectors(table.sector_size)


def parse(read: Callable[[int, int], bytes], sector_size: int, total_sectors: int) -> Gpt:
    """Read the table of a disk: the primary copy, else the backup one.

    Args:
        read: returns bytes of the disk, given offset and length in bytes.
        sector_size: logical sector of the disk in bytes.
        total_sectors: size of the disk in sectors.

    Raises:
        UntrustedData: neither copy is whole.
    """
    if sector_size not in SECTOR_SIZES:
        raise UntrustedData(f"sector size {sector_size} is not one of {SECTOR_SIZES}")
    if total_sectors < 2 * (2 + _entry_sectors(sector_size)):
        raise UntrustedData(f"a disk of {total_sectors} sectors is too small for a table")
    try:
        return _parse_copy(read, sector_size, total_sectors, 1)
    except UntrustedData as primary:
        try:
            return _parse_copy(read, sector_size, total_sectors, total_sectors - 1)
        except UntrustedData as backup:
            raise UntrustedData(f"primary: {primary}; backup: {backup}") from backup


def _parse_copy(
    read: Callable[[int, int], bytes], sector_size: int, total_sectors: int, lba: int
) -> Gpt:
    header = read(lba * sector_size, sector_size)
    if len(header) != sector_size or not header.startswith(_SIGNATURE):
        raise UntrustedData("no partition table header")
    fields = _HEADER.unpack_from(header)
    _, revision, size, crc, _, own, _, first, last, guid, at, count, entry_size, entries_crc = (
        fields
    )
    if revision != _REVISION or not _HEADER.size <= size <= sector_size or own != lba:
        raise UntrustedData("partition table header is damaged")
    if crc32(header[:16] + bytes(4) + header[20:size]) != crc:
        raise UntrustedData("partition table header has a wrong checksum")
    if entry_size != _ENTRY.size or not 1 <= count <= ENTRIES:
        raise UntrustedData(f"{count} partition entries of {entry_size} bytes")
    entries = read(at * sector_size, count * entry_size)
    if len(entries) != count * entry_size or crc32(entries) != entries_crc:
        raise UntrustedData("partition entries have a wrong checksum")
    if not first <= last < total_sectors:
        raise UntrustedData("partition table is for a larger disk")
    table = Gpt(guid_text(guid), sector_size, total_sectors, tuple(_decode_entries(entries)))
    _check_places(table, first, last, UntrustedData)
    return table


def _decode_entries(entries: bytes) -> list[Partition]:
    found = []
    for place, fields in enumerate(_ENTRY.iter_unpack(entries), 1):
        type_guid, guid, first, last, attributes, name = fields
        if type_guid == _UNUSED:
            continue
        try:
            label = name.decode("utf-16-le").partition("\0")[0]
        except UnicodeDecodeError as error:
            raise UntrustedData(f"partition {place} has an unreadable label") from error
        found.append(
            Partition(
                guid_text(type_guid), guid_text(guid), first, last, attributes, label, number=place
            )
        )
    return found


def _check_places(
    table: Gpt, first: int, last: int, fault: type[InvalidInput | UntrustedData]
) -> None:
    end = first - 1
    for partition in sorted(table.partitions, key=lambda p: p.first_lba):
        if partition.first_lba <= end or not partition.first_lba <= partition.last_lba <= last:
            raise fault(
                f"partition {partition.label!r} at sectors {partition.first_lba}.."
                f"{partition.last_lba} overlaps another or leaves {first}..{last}"
            )
        end = partition.last_lba


def _encode_entries(table: Gpt) -> bytes:
    if table.sector_size not in SECTOR_SIZES:
        raise InvalidInput(f"sector size {table.sector_size} is not one of {SECTOR_SIZES}")
    _check_places(table, table.first_usable, table.last_usable, InvalidInput)
    taken = {partition.number for partition in table.partitions if partition.number}
    free = (number for number in range(1, ENTRIES + 1) if number not in taken)
    entries = bytearray(ENTRIES * _ENTRY.size)
    used: set[int] = set()
    for partition in table.partitions:
        number = partition.number or next(free, 0)
        if number in used or not 1 <= number <= ENTRIES:
            raise InvalidInput(f"partition {partition.label!r} cannot have number {number}")
        used.add(number)
        _ENTRY.pack_into(
            entries,
            (number - 1) * _ENTRY.size,
            guid_bytes(partition.type_guid),
            guid_bytes(partition.guid),
            partition.first_lba,
            partition.last_lba,
            partition.attributes,
            _encode_label(partition.label),
        )
    return bytes(entries)


def _encode_label(label: str) -> bytes:
    try:
        encoded = label.encode("utf-16-le")
    except UnicodeEncodeError as error:
        raise InvalidInput(f"partition label {label!r} is not Unicode text") from error
    if len(encoded) > 72 or "\0" in label:  # noqa: PLR2004 - 36 units, the field above
        raise InvalidInput(f"partition label {label!r} does not fit in 36 UTF-16 units")
    return encoded


def _encode_header(table: Gpt, entries: bytes, *, own: int, other: int, at: int) -> bytes:
    def packed(crc: int) -> bytes:
        return _HEADER.pack(
            _SIGNATURE,
            _REVISION,
            _HEADER.size,
            crc,
            0,
            own,
            other,
            table.first_usable,
            table.last_usable,
            guid_bytes(table.disk_guid),
            at,
            ENTRIES,
            _ENTRY.size,
            crc32(entries),
        )

    return packed(crc32(packed(0))).ljust(table.sector_size, b"\0")


def _protective_mbr(table: Gpt) -> bytes:
    covered = min(table.total_sectors - 1, 0xFFFF_FFFF)
    # UEFI 2.10, table 5.4: type 0xEE from LBA 1, CHS 0/0/2 to the last address.
    partition = _MBR_PARTITION.pack(0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, covered)
    return (bytes(446) + partition + bytes(48) + b"\x55\xaa").ljust(table.sector_size, b"\0")


def _entry_sectors(sector_size: int) -> int:
    return ENTRIES * _ENTRY.size // sector_size


def guid_bytes(text: str) -> bytes:
    """A GUID as the disk stores it: the first three groups are little-endian.

    Raises:
        InvalidInput: not UUID text.
    """
    try:
        raw = bytes.fromhex(text.replace("-", ""))
    except ValueError as error:
        raise InvalidInput(f"not a GUID: {text!r}") from error
    if len(raw) != len(_UNUSED) or guid_text(_swapped(raw)) != text.lower():
        raise InvalidInput(f"not a GUID: {text!r}")
    return _swapped(raw)


def guid_text(raw: bytes) -> str:
    """The inverse of ``guid_bytes``; lower case."""
    digits = _swapped(raw).hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _swapped(raw: bytes) -> bytes:
    return raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]
