"""EFI programs for 64-bit ARM of a kilobyte, which say a word and end the machine.

They stand in for kernel images where a loader is tested: U-Boot loads them as
it loads a kernel image, and what the console says tells which one ran.
"""

import struct
from enum import IntEnum

_PAGE = 512  # bytes: alignment of the file, and size of its head
_AT = 0x1000  # where the one section lies in memory

# Offsets in the system table, the console output protocol and the run-time
# services. Source: UEFI 2.10, sections 4.3, 12.4 and 4.5.
_CONSOLE_OUT, _OUTPUT_STRING = 64, 8
_RUNTIME_SERVICES, _RESET_SYSTEM = 88, 104


class Ending(IntEnum):
    """What the program does after its word; EFI_RESET_TYPE of UEFI."""

    RESET = 0
    POWER_OFF = 2


def small_efi(word: str, ending: Ending) -> bytes:
    """A program that prints ``word``."""
    code = _code(ending)
    body = b"".join(struct.pack("<I", one) for one in code)
    body = (body + f"{word}\r\n\0".encode("utf-16-le")).ljust(_PAGE, b"\0")
    return _head(len(body)) + body


def _load(target: int, register: int, offset: int) -> int:
    """``ldr x<target>, [x<register>, #offset]``."""
    return 0xF9400000 | offset // 8 << 10 | register << 5 | target


def _set(target: int, value: int) -> int:
    """``mov x<target>, #value``."""
    return 0xD2800000 | value << 5 | target


def _code(ending: Ending) -> list[int]:
    call, stop = 0xD63F0100, 0x14000000  # blr x8; b .
    copy_0_from_2, copy_19_from_1 = 0xAA0203E0, 0xAA0103F3
    rest = [
        _load(8, 2, _OUTPUT_STRING),
        call,
        _load(2, 19, _RUNTIME_SERVICES),
        _load(8, 2, _RESET_SYSTEM),
        *(_set(0, ending), _set(1, 0), _set(2, 0), _set(3, 0)),
        call,
        stop,
    ]
    distance = 4 * (len(rest) + 1)
    text_address = 0x10000000 | (distance & 3) << 29 | distance >> 2 << 5 | 1  # adr x1, text
    return [_load(2, 1, _CONSOLE_OUT), copy_19_from_1, copy_0_from_2, text_address, *rest]


def _head(size: int) -> bytes:
    head = bytearray(_PAGE)
    head[:2] = b"MZ"
    struct.pack_into("<I", head, 0x3C, 0x40)
    optional = 0x40 + 24
    struct.pack_into("<4sHHIIIHH", head, 0x40, b"PE\0\0", 0xAA64, 1, 0, 0, 0, 112 + 16 * 8, 0x22E)
    struct.pack_into("<HBBIIIII", head, optional, 0x20B, 0, 0, size, 0, 0, _AT, _AT)
    struct.pack_into("<QII", head, optional + 24, 0, _AT, _PAGE)
    struct.pack_into("<IIIHH", head, optional + 56, 2 * _AT, _PAGE, 0, 10, 0)
    struct.pack_into("<I", head, optional + 108, 16)
    section = optional + 112 + 128
    struct.pack_into(
        "<8sIIIIIIHHI", head, section, b".text", size, _AT, size, _PAGE, 0, 0, 0, 0, 0x60000020
    )
    return bytes(head)
