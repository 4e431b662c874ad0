"""Kernel images with an identity and nothing else."""

import struct

_HEAD = 0x400
_PE = 0x80


def small_uki(version: str, root_hash: str, *, image: str = "minimal", padding: int = 0) -> bytes:
    """A PE file with the four sections that identify a kernel image."""
    sections = {
        ".osrel": f"ID=twinkeel\nIMAGE_ID={image}\nIMAGE_VERSION={version}\n".encode(),
        ".cmdline": f"roothash={root_hash} ro quiet\n".encode(),
        ".linux": b"kernel" + bytes(padding),
        ".initrd": b"initrd",
    }
    table, body = b"", b""
    for name, data in sections.items():
        stored = data.ljust(-(-len(data) // 512) * 512, b"\0")
        table += struct.pack(
            "<8sIIII16x", name.encode(), len(data), 0, len(stored), _HEAD + len(body)
        )
        body += stored
    head = bytearray(_HEAD)
    head[:2] = b"MZ"
    struct.pack_into("<I", head, 0x3C, _PE)
    struct.pack_into("<4sHHIIIHH", head, _PE, b"PE\0\0", 0x8664, len(sections), 0, 0, 0, 0, 0)
    head[_PE + 24 : _PE + 24 + len(table)] = table
    return bytes(head) + body
