"""The size of an ext4 file system, from its superblock.

Source: Linux 6.12, Documentation/filesystems/ext4/super.rst.
"""

from __future__ import annotations

HEAD = 2048  # bytes from the start that hold all we read

_SUPERBLOCK = 1024
_BLOCKS_LOW = _SUPERBLOCK + 0x4
_LOG_BLOCK_SIZE = _SUPERBLOCK + 0x18
_MAGIC = _SUPERBLOCK + 0x38
_INCOMPATIBLE = _SUPERBLOCK + 0x60
_BLOCKS_HIGH = _SUPERBLOCK + 0x150
_64BIT = 0x80
_LARGEST_LOG = 6  # blocks of 64 KiB


def file_system_size(head: bytes) -> int | None:
    """Bytes the file system covers, or ``None`` if there is no superblock.

    Args:
        head: the first 2048 bytes of the partition.
    """
    if len(head) < HEAD or head[_MAGIC : _MAGIC + 2] != b"\x53\xef":
        return None
    log = _number(head, _LOG_BLOCK_SIZE)
    if log > _LARGEST_LOG:
        return None
    blocks = _number(head, _BLOCKS_LOW)
    if _number(head, _INCOMPATIBLE) & _64BIT:
        blocks |= _number(head, _BLOCKS_HIGH) << 32
    return blocks * (1024 << log)


def _number(head: bytes, offset: int) -> int:
    return int.from_bytes(head[offset : offset + 4], "little")
