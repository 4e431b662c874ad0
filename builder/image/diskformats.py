"""The disk image as hypervisors take it and as it is downloaded.

Both are the same bits for the same disk: clusters of a qcow2 lie in the order of
the disk, and the number of threads does not change what zstd writes as long as
there is one; none at all would.

Source: QEMU 10.0, docs/tools/qemu-img.rst; zstd 1.5, lib/zstd.h, ``ZSTD_c_nbWorkers``.
"""

from __future__ import annotations

from pathlib import Path

import zstandard

from builder.image import sparsefile
from hostio.system.runner import Command, Runner

COMPRESSED = ".zst"
"""Suffix of a compressed image."""
_LEVEL = 3  # 9 takes four times as long for a tenth less
_THREADS = 4


def qcow2_command(disk: Path, out: Path) -> Command:
    """The call that writes ``disk`` as a qcow2 image.

    One coroutine and ordered writes: clusters lie in the order of the disk.
    """
    argv = ["qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", "-m", "1"]
    argv += ["-o", "compat=1.1,cluster_size=65536", str(disk), str(out)]
    return Command(argv, timeout=3600)


def make_qcow2(tools: Runner, disk: Path, out: Path) -> None:
    """Write ``disk`` as a qcow2 image.

    Raises:
        HostFailure: qemu-img failed.
    """
    out.unlink(missing_ok=True)
    tools.run(qcow2_command(disk, out))


def compress(disk: Path, out: Path, *, level: int = _LEVEL) -> None:
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
