"""Read and write at an offset, whole: the kernel may do less at a time."""

from __future__ import annotations

import os


def read_at(descriptor: int, offset: int, length: int) -> bytes:
    """``length`` bytes, or what there is up to the end of the file.

    Raises:
        OSError: the kernel refused.
    """
    data = os.pread(descriptor, length, offset)
    while len(data) < length:
        more = os.pread(descriptor, length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


def write_at(descriptor: int, offset: int, data: bytes | bytearray | memoryview) -> None:
    """All of ``data``.

    Raises:
        OSError: the kernel refused; a part may be written.
    """
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written
