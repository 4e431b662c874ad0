"""The archive format of an initrd ("newc"), the same bytes for the same files.

Inode numbers count up, owner is root, hard links do not occur: nothing of the
machine that builds comes into the archive.

Source: Linux 6.12, Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from osmodel.faults import InvalidInput, UntrustedData

_MAGIC = b"070701"
_NUMBERS = struct.Struct(">13I")  # each written as eight hex digits
_HEADER_SIZE = len(_MAGIC) + 2 * _NUMBERS.size
_TRAILER = "TRAILER!!!"
_ARCHIVE_ALIGNMENT = 512
_MAX_FILE = 0xFFFF_FFFF
_MAX_NAME = 4096


class Entry(NamedTuple):
    """One file, directory, link or device node.

    Attributes:
        name: path without leading slash.
        mode: type and permissions, as in ``st_mode``.
        content: bytes of a file, target of a symbolic link.
        device: major and minor number of a device node.
    """

    name: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def file(name: str, content: bytes, permissions: int = 0o644) -> Entry:
    """A regular file."""
    return Entry(name, stat.S_IFREG | permissions, content)


def directory(name: str, permissions: int = 0o755) -> Entry:
    """A directory."""
    return Entry(name, stat.S_IFDIR | permissions)


def symlink(name: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(name, stat.S_IFLNK | 0o777, target.encode())


def encode(entries: Iterable[Entry], *, mtime: int = 0) -> Iterator[bytes]:
    """The archive in pieces, entries sorted by name so parents come first.

    Raises:
        InvalidInput: a name twice, absolute, or with ``..`` in it.
    """
    ordered = sorted(entries)
    previous = None
    size = 0
    for inode, entry in enumerate([*ordered, Entry(_TRAILER, 0)], 1):
        _check_name(entry.name, previous)
        previous = entry.name
        piece = _encode_entry(entry, inode, 0 if entry.name == _TRAILER else mtime)
        size += len(piece)
        yield piece
    yield bytes(-size % _ARCHIVE_ALIGNMENT)


def _check_name(name: str, previous: str | None) -> None:
    if name == previous:
        raise InvalidInput(f"archive has {name!r} twice")
    parts = name.split("/")
    if "\0" in name or any(part in {"", ".."} for part in parts) or len(name) > _MAX_NAME:
        raise InvalidInput(f"bad name in archive: {name[:80]!r}")


def _encode_entry(entry: Entry, inode: int, mtime: int) -> bytes:
    name = entry.name.encode() + b"\0"
    if len(entry.content) > _MAX_FILE:
        raise InvalidInput(f"{entry.name} is too large for an archive")
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (
        inode, entry.mode, 0, 0, links, mtime, len(entry.content), 0, 0,
        *entry.device, len(name), 0,
    )  # fmt: skip
    header = _MAGIC + _NUMBERS.pack(*fields).hex().encode()
    return _padded(header + name) + _padded(entry.content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def parse(data: bytes) -> tuple[Entry, ...]:
    """Read an archive of this format; the inverse of ``encode``.

    Raises:
        UntrustedData: truncated or not such an archive.
    """
    entries: list[Entry] = []
    offset = 0
    while True:
        entry, offset = _parse_entry(data, offset)
        if entry.name == _TRAILER:
            return tuple(entries)
        entries.append(entry)


def _parse_entry(data: bytes, offset: int) -> tuple[Entry, int]:
    header = data[offset : offset + _HEADER_SIZE]
    if len(header) < _HEADER_SIZE or not header.startswith(_MAGIC):
        raise UntrustedData(f"no archive entry at byte {offset}")
    try:
        values = _NUMBERS.unpack(bytes.fromhex(header[len(_MAGIC) :].decode("ascii")))
    except (ValueError, struct.error) as error:
        raise UntrustedData(f"damaged archive entry at byte {offset}") from error
    mode, size, name_size = values[1], values[6], values[11]
    name_at = offset + _HEADER_SIZE
    content_at = _aligned(name_at + name_size)
    end = _aligned(content_at + size)
    if not 1 < name_size <= _MAX_NAME or end > len(data):
        raise UntrustedData(f"archive is cut off in the entry at byte {offset}")
    name = data[name_at : name_at + name_size - 1].decode(errors="surrogateescape")
    content = data[content_at : content_at + size]
    return Entry(name, mode, content, (values[9], values[10])), end


def _aligned(offset: int) -> int:
    return offset + -offset % 4
