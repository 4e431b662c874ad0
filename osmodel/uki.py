"""What a unified kernel image says about itself: image, version, root hash.

Identity comes from the content, never from the file name: the loader renames
entries, people copy them. The sections are read straight from the PE headers;
a file whose sections reach beyond its end was cut off and is refused, because
a loader of ours would meet the same hole only when it is too late.

Source: UAPI.5 Unified Kernel Image; Microsoft PE Format, "Section Table".
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from osmodel.faults import InvalidInput, UntrustedData
from osmodel.partitions import checked_root_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    Read = Callable[[int, int], bytes]

MAX_TEXT = 64 * 1024  # bytes of .osrel or .cmdline
MAX_SECTIONS = 96  # the limit of the Windows loader; ours have a dozen

_PE_OFFSET_AT = 0x3C
_PE_SIGNATURE = b"PE\0\0"
# signature, machine, sections, time stamp, symbols, symbol count, optional header, flags
_COFF = struct.Struct("<4sHHIIIHH")
# name, size in memory, address, size in file, offset in file, rest
_SECTION = struct.Struct("<8sIIII16x")
_NEEDED = (".osrel", ".cmdline", ".linux", ".initrd")


class UkiIdentity(NamedTuple):
    """Who an image says it is.

    Attributes:
        version: ``IMAGE_VERSION`` of its os-release.
        root_hash: the root it will open, 64 hex digits.
        image: ``IMAGE_ID`` of its os-release.
    """

    version: str
    root_hash: str
    image: str


class Section(NamedTuple):
    """Where a section's bytes lie in the file."""

    name: str
    offset: int
    size: int


def identify(read: Read, size: int) -> UkiIdentity:
    """Tell who a unified kernel image is.

    Args:
        read: returns bytes of the file, given offset and length.
        size: length of the file in bytes.

    Raises:
        UntrustedData: cut off, damaged, or without identity.
    """
    found = sections(read, size)
    for name in _NEEDED:
        if name not in found:
            raise UntrustedData(f"kernel image has no section {name}")
    release = parse_os_release(_text(read, found[".osrel"]))
    for key in ("IMAGE_ID", "IMAGE_VERSION"):
        if not release.get(key):
            raise UntrustedData(f"kernel image does not name its {key}")
    root_hash = root_hash_of(_text(read, found[".cmdline"]))
    return UkiIdentity(release["IMAGE_VERSION"], root_hash, release["IMAGE_ID"])


def sections(read: Read, size: int) -> dict[str, Section]:
    """The sections by name, each proven to lie inside the file.

    Raises:
        UntrustedData: not a PE file, cut off, or a name twice.
    """
    if _exactly(read, 0, 2, size) != b"MZ":
        raise UntrustedData("kernel image is not a PE file")
    start = int.from_bytes(_exactly(read, _PE_OFFSET_AT, 4, size), "little")
    signature, _, count, _, _, _, optional, _ = _COFF.unpack(
        _exactly(read, start, _COFF.size, size)
    )
    if signature != _PE_SIGNATURE or not 1 <= count <= MAX_SECTIONS:
        raise UntrustedData("kernel image has no PE headers")
    table = _exactly(read, start + _COFF.size + optional, count * _SECTION.size, size)
    found: dict[str, Section] = {}
    for raw, memory, _, stored, offset in _SECTION.iter_unpack(table):
        name = raw.rstrip(b"\0").decode("ascii", errors="replace")
        if offset + stored > size:
            raise UntrustedData(f"kernel image is cut off: section {name} ends beyond the file")
        if name in found:
            raise UntrustedData(f"kernel image has section {name} twice")
        # Files are padded to the alignment; the size in memory is the true one.
        found[name] = Section(name, offset, min(memory, stored))
    return found


def root_hash_of(command_line: str) -> str:
    """The one root hash a kernel command line names.

    Raises:
        UntrustedData: none, several, or not a hash.
    """
    values = {
        word.partition("=")[2] for word in command_line.split() if word.startswith("roothash=")
    }
    if len(values) != 1:
        raise UntrustedData(f"kernel command line names {len(values)} root hashes")
    try:
        return checked_root_hash(values.pop())
    except InvalidInput as error:
        raise UntrustedData(str(error)) from error


def parse_os_release(text: str) -> dict[str, str]:
    """Keys and values of an os-release file; quotes are taken off.

    Lines that are no assignment are skipped, as os-release(5) asks of readers.
    """
    values = {}
    for line in text.splitlines():
        key, assigned, value = line.strip().partition("=")
        if assigned and key.replace("_", "").isalnum():
            values[key] = _unquoted(value)
    return values


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


def _text(read: Read, section: Section) -> str:
    if section.size > MAX_TEXT:
        raise UntrustedData(f"section {section.name} has {section.size} bytes")
    data = read(section.offset, section.size)
    if len(data) != section.size:
        raise UntrustedData(f"kernel image is cut off in section {section.name}")
    try:
        return data.decode().rstrip("\0\n ")
    except UnicodeDecodeError as error:
        raise UntrustedData(f"section {section.name} is not text") from error


def _exactly(read: Read, offset: int, length: int, size: int) -> bytes:
    data = read(offset, length) if offset + length <= size else b""
    if len(data) != length:
        raise UntrustedData("kernel image is cut off in its headers")
    return data
