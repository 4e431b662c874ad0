"""Write a full payload: root image and unified kernel image in one file.

The file is not signed here; the mirror does that, with keys that a build
machine never sees. It depends on nothing but its inputs and the versions
of the compressors: no times, no names of files, no number of cores.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from builder.payload.chunks import Chunk, Compression, compress
from osmodel.faults import HostFailure, InvalidInput
from osmodel.payload.layout import BLOCK, Header, blocks
from osmodel.payload.manifest import (
    Extent,
    InstallOperation,
    Manifest,
    PartitionInfo,
    PartitionUpdate,
    release_bytes,
)
from osmodel.payload.structure import ROOT, UKI
from osmodel.release import Release
from osmodel.verity import superblock_for

_PIECE = 1 << 20  # bytes hashed at a time
_FULL = 0  # minor version


def write_full(  # noqa: PLR0913 - the inputs of one file; all but three by name
    root: Path,
    uki: Path,
    release: Release,
    out: Path,
    *,
    chunk_cache: Path | None = None,
    compat: bool = False,
    level: int = 19,
    workers: int = 0,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Write the unsigned full payload of a release.

    Args:
        root: root file system image, a multiple of 4096 bytes.
        uki: unified kernel image.
        release: what the two are; becomes part of the manifest.
        out: replaced when complete.
        chunk_cache: directory in which compressed chunks are remembered.
        compat: use only operations that older readers know, at 20 times the
            cost in processor time when applied.
        level: of zstd.
        workers: threads; 0 means one per processor. Changes no byte.
        progress: called with bytes of the images done and in total.

    Raises:
        InvalidInput: an image is empty, or the root is no whole number of blocks.
        HostFailure: a file can not be read or written.
    """
    how = Compression(compat=compat, level=level, workers=workers, cache=chunk_cache)
    beside = out.with_name(f".{out.name}.new")
    try:
        sizes = _checked_sizes(root, uki)
        with tempfile.TemporaryFile(dir=out.parent) as data, beside.open("wb") as new:
            tally = _Tally(data, sum(sizes), progress)
            parts = (
                _root_part(root, release, tally.append_all(root, how)),
                _part(UKI, uki, release, tally.append_all(uki, how)),
            )
            manifest = Manifest(
                block_size=BLOCK,
                minor_version=_FULL,
                partitions=parts,
                release=release_bytes(release),
            ).encode()
            new.write(Header(len(manifest), 0).encode() + manifest)
            data.seek(0)
            shutil.copyfileobj(data, new, _PIECE)
        beside.replace(out)
    except OSError as error:
        raise HostFailure(f"{out}: {error}") from error
    finally:
        beside.unlink(missing_ok=True)


def _checked_sizes(root: Path, uki: Path) -> tuple[int, int]:
    sizes = root.stat().st_size, uki.stat().st_size
    if not all(sizes):
        raise InvalidInput(f"{root} has {sizes[0]} bytes, {uki} has {sizes[1]}; neither may be 0")
    if sizes[0] % BLOCK:
        raise InvalidInput(f"{root}: {sizes[0]} bytes are no whole number of {BLOCK}-byte blocks")
    return sizes


class _Tally:
    """Collects the data of a payload and the operations that use it."""

    def __init__(self, data: BinaryIO, total: int, progress: Callable[[int, int], None]) -> None:
        self._data = data
        self._total = total
        self._done = 0
        self._progress = progress

    def append_all(self, image: Path, how: Compression) -> tuple[InstallOperation, ...]:
        operations = []
        start_block = 0
        for chunk in compress(image, how):
            operations.append(self._append(chunk, start_block))
            start_block += blocks(chunk.size)
            self._done += chunk.size
            self._progress(min(self._done, self._total), self._total)
        return tuple(operations)

    def _append(self, chunk: Chunk, start_block: int) -> InstallOperation:
        target = (Extent(start_block, blocks(chunk.size)),)
        if not chunk.data:
            return InstallOperation(type=chunk.kind, dst_extents=target)
        offset = self._data.tell()
        self._data.write(chunk.data)
        return InstallOperation(
            type=chunk.kind,
            data_offset=offset,
            data_length=len(chunk.data),
            dst_extents=target,
            data_sha256_hash=hashlib.sha256(chunk.data).digest(),
        )


def _part(
    name: str, image: Path, release: Release, operations: tuple[InstallOperation, ...]
) -> PartitionUpdate:
    with image.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return PartitionUpdate(
        partition_name=name,
        new_partition_info=PartitionInfo(image.stat().st_size, digest),
        operations=operations,
        version=str(release.version),
    )


def _root_part(
    image: Path, release: Release, operations: tuple[InstallOperation, ...]
) -> PartitionUpdate:
    size = image.stat().st_size
    superblock = superblock_for(release.image, blocks(size))
    return replace(
        _part(ROOT, image, release, operations),
        hash_tree_data_extent=Extent(0, superblock.data_blocks),
        hash_tree_algorithm="sha256",
        hash_tree_salt=superblock.salt,
    )
