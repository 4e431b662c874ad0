"""Compress the chunks of an image on all cores, and remember the results.

The same chunk with the same settings always gives the same bytes, whatever
number of threads worked, so a payload is reproducible and a chunk that was
compressed before is taken from the cache. Never more than a few chunks are in
memory, however large the image.
"""

from __future__ import annotations

import contextlib
import lzma
import os
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import zstandard

from osmodel.faults import HostFailure
from osmodel.payload.layout import BLOCK
from osmodel.payload.manifest import OperationType

CHUNK = 8 << 20  # bytes; measured: smaller ones cost 3 % and more in size
_XZ_PRESET = 6  # its dictionary is as long as a chunk
_LEVEL = 19


@dataclass(frozen=True, slots=True)
class Compression:
    """How chunks are compressed.

    Attributes:
        compat: use xz, for readers that know no zstd.
        level: of zstd, 1 to 22; beyond 19 the window outgrows a chunk for nothing.
        workers: threads; 0 means one per processor.
        cache: directory of results, or ``None``.
    """

    compat: bool = False
    level: int = _LEVEL
    workers: int = 0
    cache: Path | None = None

    @property
    def name(self) -> str:
        """Everything the result depends on but the chunk; part of a file name."""
        if self.compat:
            return f"xz-{_XZ_PRESET}"
        return f"zstd-{'.'.join(map(str, zstandard.ZSTD_VERSION))}-{self.level}"


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of an image in the form it is sent.

    Attributes:
        kind: how the content is made from ``data``.
        size: bytes of content; a multiple of 4096.
        data: bytes in the payload; none for ``ZERO``.
    """

    kind: OperationType
    size: int
    data: bytes


def compress(image: Path, how: Compression) -> Iterator[Chunk]:
    """The chunks of a file, in order; the last block is filled with zeros.

    Raises:
        HostFailure: the file or the cache can not be read or written.
    """
    workers = how.workers or os.cpu_count() or 1
    waiting: deque[Future[Chunk]] = deque()
    with _opened(image) as descriptor, ThreadPoolExecutor(workers) as pool:
        try:
            for offset in range(0, os.fstat(descriptor).st_size, CHUNK):
                waiting.append(pool.submit(_compress_at, descriptor, offset, how))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _opened(image: Path) -> Iterator[int]:
    try:
        descriptor = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise HostFailure(f"{image}: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _compress_at(descriptor: int, offset: int, how: Compression) -> Chunk:
    content = os.pread(descriptor, CHUNK, offset)
    content += bytes(-len(content) % BLOCK)
    if content == bytes(len(content)):
        return Chunk(OperationType.ZERO, len(content), b"")
    data = _remembered(content, how)
    if len(data) >= len(content):
        return Chunk(OperationType.REPLACE, len(content), content)
    kind = OperationType.REPLACE_XZ if how.compat else OperationType.REPLACE_ZSTD
    return Chunk(kind, len(content), data)


def _remembered(content: bytes, how: Compression) -> bytes:
    if how.cache is None:
        return _compressed(content, how)
    path = how.cache / f"{sha256(content).hexdigest()}.{how.name}"
    try:
        data = path.read_bytes()
        # A file that was torn or has rotted costs time, never a bad payload.
        if _content_of(data, len(content), how) == content:
            return data
    except FileNotFoundError:
        pass
    data = _compressed(content, how)
    _remember(path, data)
    return data


def _remember(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as beside:
            beside.write(data)
        Path(beside.name).replace(path)
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}") from error


def _compressed(content: bytes, how: Compression) -> bytes:
    if how.compat:
        return lzma.compress(content, check=lzma.CHECK_CRC32, preset=_XZ_PRESET)
    return zstandard.ZstdCompressor(level=how.level, write_content_size=True).compress(content)


def _content_of(data: bytes, size: int, how: Compression) -> bytes | None:
    try:
        if how.compat:
            return lzma.decompress(data, lzma.FORMAT_XZ)
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
    except (lzma.LZMAError, zstandard.ZstdError):
        return None
