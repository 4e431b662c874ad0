"""The ioctl messages that make a device-mapper device, as bytes.

Three messages make a device: create, load a table, resume. The kernel's ABI
is as old as Linux 2.6 and stable, so the initrd needs no dmsetup and none of
the libraries behind it.

Source: Linux 6.12, include/uapi/linux/dm-ioctl.h, ABI version 4.
"""

from __future__ import annotations

import struct

VERSION_MAJOR = 4
READ_ONLY = 1

# version, data size, data start, targets, open count, flags, event, padding,
# device number, name, UUID, padding
_HEADER = struct.Struct("=3IIIIiIIIQ128s129s7x")
# start and length in sectors, status, offset of the next target, type
_TARGET = struct.Struct("=QQiI16s")
_MAX_NAME = 127
_MAX_UUID = 128


def request(number: int) -> int:
    """The ioctl request of command ``number``: _IOWR(0xfd, number, header)."""
    return 3 << 30 | _HEADER.size << 16 | 0xFD << 8 | number


CREATE = request(3)
REMOVE = request(4)
RESUME = request(6)
LOAD = request(9)


def message(name: str, *, uuid: str = "", flags: int = 0) -> bytes:
    """A message about the device ``name`` that carries no table."""
    return _header(name, uuid, flags, _HEADER.size, 0)


def table_message(name: str, kind: str, sectors: int, parameters: str) -> bytes:
    """A message that loads a read-only table with one target over the whole device.

    Args:
        name: of the device.
        kind: target type, e.g. ``verity``.
        sectors: length of the device in units of 512 bytes.
        parameters: the rest of the table line.
    """
    text = parameters.encode() + b"\0"
    text += bytes(-len(text) % 8)
    target = _TARGET.pack(0, sectors, 0, _TARGET.size + len(text), kind.encode())
    size = _HEADER.size + len(target) + len(text)
    return _header(name, "", READ_ONLY, size, 1) + target + text


def device_number(answer: bytes) -> tuple[int, int]:
    """Major and minor number in the kernel's answer to ``CREATE``."""
    device = _HEADER.unpack_from(answer)[10]
    # The "huge" encoding of dev_t: 12 bits of major between the two halves of minor.
    return device >> 8 & 0xFFF, device & 0xFF | device >> 12 & 0xFFF00


def _header(name: str, uuid: str, flags: int, size: int, targets: int) -> bytes:
    assert len(name) <= _MAX_NAME, "a mapped device name has at most 127 bytes"
    assert len(uuid) <= _MAX_UUID, "a mapped device UUID has at most 128 bytes"
    return _HEADER.pack(
        VERSION_MAJOR, 0, 0, size, _HEADER.size, targets, 0, flags, 0, 0, 0,
        name.encode(), uuid.encode(),
    )  # fmt: skip
