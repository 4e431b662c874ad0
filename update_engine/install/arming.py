"""Make a verified slot bootable: partition table first, entry last.

The kernel finds a slot by its partition GUIDs, so they must be right before
anything can ask for them; the entry on the ESP is what asks. Placing it is the
commit point of an update: before it the machine boots the old version, after it
the new one, and there is nothing between.

Source: UEFI 2.10, section 5.3.2 (the backup table is updated first).
"""

from __future__ import annotations

import hashlib
import logging

from hostio.disk.blockdev import BlockDevice
from hostio.disk.esp import StagedFile
from hostio.disk.systemdisk import SystemDisk, read_table
from osmodel.faults import HostFailure, UntrustedData
from osmodel.gpt import Gpt, backup_lba, encode_backup, encode_primary
from osmodel.release import Release
from osmodel.uki import identify

_log = logging.getLogger(__name__)
_PIECE = 1 << 20


def write_table(device: BlockDevice, table: Gpt) -> None:
    """Replace both copies of the partition table; durable on return.

    The backup is whole and flushed before the primary is touched, so one of
    them can be read at every moment. The protective MBR is not written: it
    does not change, and a boot loader may live in it.

    Raises:
        HostFailure: the disk refused, or holds something else afterwards.
    """
    primary = encode_primary(table)[table.sector_size :]
    device.write(backup_lba(table) * table.sector_size, encode_backup(table))
    device.flush()
    device.write(table.sector_size, primary)
    device.drop_cache()
    if read_table(device, table.sector_size) != table:
        raise HostFailure("the partition table reads back differently")


def set_slot(disk: SystemDisk, table: Gpt) -> None:
    """Write ``table`` to the system disk unless it is there already.

    Raises:
        HostFailure: as :func:`write_table`.
    """
    with disk.whole() as whole:
        # Compared with both copies in mind: a cut may have left them different.
        size = table.sector_size
        same = whole.read(size, 33 * 512) == encode_primary(table)[size : size + 33 * 512]
        backup = encode_backup(table)
        same = same and whole.read(backup_lba(table) * size, len(backup)) == backup
        if not same:
            write_table(whole, table)
            _log.info("partition table written")


def compare_uki(staged: StagedFile, size: int, sha256: str, release: Release) -> None:
    """Read a closed entry back and hold it against what was signed.

    Args:
        staged: closed, not placed.
        size: bytes it must have.
        sha256: digest it must have, 64 hex digits.
        release: version and root hash it must name.

    Raises:
        HostFailure: the medium holds something else than was written.
        UntrustedData: the image is for another root or version.
    """
    digest = hashlib.sha256()
    for offset in range(0, size, _PIECE):
        digest.update(staged.read(offset, min(_PIECE, size - offset)))
    if staged.size != size or digest.hexdigest() != sha256:
        raise HostFailure("the new entry reads back differently from the ESP")
    found = identify(staged.read, size)
    if (found.root_hash, found.version) != (release.root_hash, str(release.version)):
        raise UntrustedData(
            f"kernel image is of {found.version} with root {found.root_hash[:16]}, "
            f"the release is {release.version} with {release.root_hash[:16]}"
        )
