"""Block maps: which blocks of a disk image must be written, with their checksums.

The format is that of bmaptool, which can write our images as well; other
maps are read only if they carry SHA-256 checksums.

Source: bmaptool 3.9, TransparentLicensing "bmap-file" format, version 2.0.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.image import sparsefile
from builder.image.diskmap import BLOCK, Range
from osmodel.faults import InvalidInput, UntrustedData

SUFFIX = ".bmap"  # after the image's name without the compression's
_LIMIT = 16 << 20  # bytes of a map
_NO_SUM = "0" * 64
_FIELD = r"<{0}>\s*([^<>]*?)\s*</{0}>"
_RANGE = re.compile(
    r'<Range\s+chksum="(?P<sum>[0-9a-f]{64})"\s*>\s*(?P<first>\d+)(?:-(?P<last>\d+))?\s*</Range>'
)
_TEXT = """\
<?xml version="1.0" ?>
<bmap version="2.0">
    <ImageSize> {size} </ImageSize>
    <BlockSize> {block} </BlockSize>
    <BlocksCount> {blocks} </BlocksCount>
    <MappedBlocksCount> {mapped} </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> {checksum} </BmapFileChecksum>
    <BlockMap>
{ranges}
    </BlockMap>
</bmap>
"""


@dataclass(frozen=True, slots=True)
class Mapped:
    """A part of an image that must be written.

    Attributes:
        range: where.
        sha256: of its content, 64 hex digits.
    """

    range: Range
    sha256: str


@dataclass(frozen=True, slots=True)
class BlockMap:
    """What of an image must be written, in order.

    Attributes:
        size: of the image in bytes.
        parts: in order, without overlaps.
    """

    size: int
    parts: tuple[Mapped, ...]

    @property
    def mapped(self) -> int:
        """Bytes to write."""
        return sum(part.range.length for part in self.parts)


def map_image(image: Path, ranges: Sequence[Range]) -> BlockMap:
    """The map of ``image`` in which ``ranges`` matter."""
    parts = [Mapped(part, sparsefile.sha256(image, part.start, part.end)) for part in ranges]
    return BlockMap(image.stat().st_size, tuple(parts))


def to_text(block_map: BlockMap) -> str:
    """The map as a file; the inverse of :func:`parse`."""
    lines = []
    for part in block_map.parts:
        first, last = part.range.start // BLOCK, -(-part.range.end // BLOCK) - 1
        numbers = str(first) if first == last else f"{first}-{last}"
        lines.append(f'        <Range chksum="{part.sha256}"> {numbers} </Range>')
    values = {
        "size": block_map.size,
        "block": BLOCK,
        "blocks": -(-block_map.size // BLOCK),
        "mapped": sum(-(-part.range.length // BLOCK) for part in block_map.parts),
        "ranges": "\n".join(lines),
    }
    plain = _TEXT.format(checksum=_NO_SUM, **values)
    return plain.replace(_NO_SUM, hashlib.sha256(plain.encode()).hexdigest(), 1)


def parse(text: str) -> BlockMap:
    """Read a map.

    Raises:
        UntrustedData: damaged.
        InvalidInput: not a map, or without SHA-256 checksums.
    """
    if len(text) > _LIMIT or '<bmap version="2.' not in text:
        raise InvalidInput("not a block map of version 2")
    if _field(text, "ChecksumType") != "sha256":
        raise InvalidInput("block map: only SHA-256 checksums are read")
    named = _field(text, "BmapFileChecksum")
    plain = text.replace(named, _NO_SUM, 1)
    if hashlib.sha256(plain.encode()).hexdigest() != named:
        raise UntrustedData("block map: wrong checksum")
    size, block = _number(text, "ImageSize"), _number(text, "BlockSize")
    parts = [_part(found, block, size) for found in _RANGE.finditer(text)]
    ends = [0, *(part.range.end for part in parts)]
    if any(
        part.range.start < end or part.range.length <= 0
        for part, end in zip(parts, ends, strict=False)
    ):
        raise InvalidInput("block map: ranges overlap or leave the image")
    return BlockMap(size, tuple(parts))


def _part(found: re.Match[str], block: int, size: int) -> Mapped:
    first, last = int(found["first"]), int(found["last"] or found["first"])
    start, end = first * block, min((last + 1) * block, size)
    return Mapped(Range(start, end - start), found["sum"])


def _field(text: str, name: str) -> str:
    found = re.search(_FIELD.format(name), text)
    if found is None:
        raise InvalidInput(f"block map: no {name}")
    return found[1]


def _number(text: str, name: str) -> int:
    value = _field(text, name)
    if not value.isascii() or not value.isdigit():
        raise InvalidInput(f"block map: {name}: {value[:40]!r} is not a number")
    return int(value)
