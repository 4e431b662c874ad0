"""Disk images to write: plain or compressed, with a block map or without.

With a map only what matters is read from the image and written; without one it
is everything, zeros too, since a used card is not zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import zstandard

from builder.image import bmap, sparsefile
from builder.image.diskmap import Range
from osmodel.faults import HostFailure, InvalidInput, UntrustedData

COMPRESSED = ".img.zst"
RAW = "disk.raw"
_PIECE = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an image to write.

    Attributes:
        range: where.
        sha256: what its content must have, or empty if that is unknown.
    """

    range: Range
    sha256: str


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image in a file.

    Attributes:
        path: of the file.
        size: of the image in bytes.
        parts: what to write, in order.
    """

    path: Path
    size: int
    parts: tuple[Part, ...]

    @property
    def length(self) -> int:
        """Bytes to write."""
        return sum(part.range.length for part in self.parts)

    def contents(self) -> Iterator[tuple[Part, Iterator[bytes | memoryview]]]:
        """Each part with its content in pieces, which must be used up before the next.

        Raises:
            UntrustedData: the file is damaged.
            HostFailure: it cannot be read.
        """
        try:
            if self.path.suffix == ".zst":
                yield from self._unpacked()
            else:
                for part in self.parts:
                    yield part, sparsefile.content(self.path, part.range.start, part.range.end)
        except OSError as error:
            raise HostFailure(f"{self.path}: {error.strerror}") from error
        except zstandard.ZstdError as error:
            raise UntrustedData(f"{self.path}: {error}") from error

    def _unpacked(self) -> Iterator[tuple[Part, Iterator[bytes | memoryview]]]:
        with self.path.open("rb") as file:
            stream = zstandard.ZstdDecompressor().stream_reader(file)
            done = 0
            for part in self.parts:
                for _ in self._read(stream, part.range.start - done):
                    pass  # left out by the map
                yield part, self._read(stream, part.range.length)
                done = part.range.end
            # Reading beyond the last part makes the decoder check its own checksum.
            stream.read(1)

    def _read(self, stream: IO[bytes], length: int) -> Iterator[bytes]:
        while length > 0:
            piece = stream.read(min(length, _PIECE))
            if not piece:
                raise UntrustedData(f"{self.path} ends too early")
            length -= len(piece)
            yield piece


def find(source: Path) -> ImageFile:
    """The image in a release directory, or in a file.

    Raises:
        InvalidInput: no image there.
        UntrustedData: its block map is damaged.
    """
    path = _inside(source) if source.is_dir() else source
    if not path.is_file():
        raise InvalidInput(f"{source}: no such image")
    plain = path.with_suffix("") if path.suffix == ".zst" else path
    mapped = plain.with_name(f"{plain.name}{bmap.SUFFIX}")
    if mapped.is_file():
        block_map = bmap.parse(mapped.read_text(encoding="utf-8", errors="replace"))
        parts = tuple(Part(part.range, part.sha256) for part in block_map.parts)
        return ImageFile(path, block_map.size, parts)
    size = _size(path)
    return ImageFile(path, size, (Part(Range(0, size), ""),))


def _inside(release: Path) -> Path:
    found = sorted(release.glob(f"*{COMPRESSED}")) or sorted(release.glob(RAW))
    if len(found) != 1:
        raise InvalidInput(
            f"{release}: expected one disk image, found {len(found)}",
            hint="name the image itself, or a directory that build-image made",
        )
    return found[0]


def _size(path: Path) -> int:
    if path.suffix != ".zst":
        return path.stat().st_size
    with path.open("rb") as file:
        try:
            size = zstandard.frame_content_size(file.read(32))
        except zstandard.ZstdError as error:
            raise InvalidInput(f"{path}: not compressed by zstd") from error
    if size <= 0:
        name = path.with_suffix("").name
        raise InvalidInput(
            f"{path}: does not say its size", hint=f"put {name}{bmap.SUFFIX} beside it"
        )
    return size
