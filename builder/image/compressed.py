"""A disk image as people download it: compressed, the same bits every time.

The number of threads does not change the bits as long as there is one; none at
all would.

Source: zstd 1.5, lib/zstd.h, ``ZSTD_c_nbWorkers``.
"""

from __future__ import annotations

from pathlib import Path

import zstandard

from builder.image import sparsefile

SUFFIX = ".zst"
LEVEL = 3  # 9 takes four times as long for a tenth less
_THREADS = 4


def pack(disk: Path, out: Path, *, level: int = LEVEL) -> None:
    """Compress ``disk`` into ``out``, with its size and a checksum in the file.

    Args:
        disk: the image; holes are read as zeros.
        out: file to write.
        level: of zstd, 1 to 19.
    """
    compressor = zstandard.ZstdCompressor(level=level, threads=_THREADS, write_checksum=True)
    with out.open("wb") as file:
        size = disk.stat().st_size
        with compressor.stream_writer(file, size=size, closefd=False) as stream:
            for piece in sparsefile.content(disk):
                stream.write(piece)
