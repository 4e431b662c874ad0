"""Measures releases: what is downloaded, what a slot and the ESP hold.

The full payload is compared with one zstd stream of the same level over the
same bytes (root and kernel image): the price of independent chunks, of the
manifest and of the signatures.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bench import places, tables
from bench.tables import Row, Series, Table
from builder.image.disk import SECTOR
from builder.machine.cli import local_world
from hostio.system.runner import Command
from osmodel import gpt, partitions, uki
from osmodel.faults import InvalidInput
from osmodel.releasemanifest import FILE_NAME, ReleaseManifest

_COLUMNS = ("MB", "share of its place, %")
_MB = 1e6
_ON_ESP = 2  # kernel images a machine has
_LEVEL = 19


@dataclass(frozen=True, slots=True)
class Release:
    """A release directory and its manifest."""

    path: Path

    def size(self, name: str) -> int:
        """Bytes of one of its files."""
        return (self.path / name).stat().st_size

    @property
    def packages(self) -> int:
        """How many Debian packages it has."""
        return len(ReleaseManifest.parse((self.path / FILE_NAME).read_bytes()).packages)

    def partition(self, label: str) -> int:
        """Bytes of a partition of its disk."""
        with (self.path / "disk.raw").open("rb") as file:
            sectors = self.size("disk.raw") // SECTOR
            found = gpt.parse(_reader(file), SECTOR, sectors).find(label)
        assert found is not None, label
        return found.sectors * SECTOR

    def section(self, name: str) -> int:
        """Bytes of a section of its kernel image."""
        with (self.path / "uki.efi").open("rb") as file:
            return uki.sections(_reader(file), self.size("uki.efi"))[name].size

    def on_disk(self, name: str) -> int:
        """Bytes a sparse file takes on this host."""
        return (self.path / name).stat().st_blocks * 512


def _reader(file: BinaryIO) -> Callable[[int, int], bytes]:
    def read(offset: int, length: int) -> bytes:
        file.seek(offset)
        return file.read(length)

    return read


def one_stream(release: Release) -> int:
    """Bytes of root and kernel image as one zstd stream."""
    with tempfile.TemporaryDirectory(dir=places.workplace("size")) as name:
        scratch = Path(name)
        tools = local_world().tools.runner((release.path, scratch))
        paths = " ".join(f"'{release.path / part}'" for part in ("root.erofs", "uki.efi"))
        script = f"cat {paths} | zstd -q -T0 -{_LEVEL} > '{scratch}/all.zst'"
        tools.run(Command(("sh", "-c", script), timeout=3600))
        return (scratch / "all.zst").stat().st_size


def table(release: Release, *, compared: bool) -> Table:
    """What one release weighs."""
    slot = release.partition(partitions.root_label("a"))
    tree = release.partition(partitions.verity_label("a"))
    esp = release.partition(partitions.ESP)
    root, image = release.size("root.erofs"), release.size("uki.efi")
    rows = [
        _row("root, uncompressed", root, slot),
        _row("hash tree", release.size("root.verity"), tree),
        _row("kernel image with initrd", image, esp),
        _row("  the initrd in it, not compressed", release.section(".initrd"), image),
        _row(f"{_ON_ESP} kernel images on the ESP", _ON_ESP * image, esp),
        _row("disk.raw, what it takes on the host", release.on_disk("disk.raw")),
        _row("disk.qcow2", release.size("disk.qcow2")),
    ]
    peer = f"one zstd -{_LEVEL} stream of root and kernel image"
    if compared:
        rows.append(_row(peer, one_stream(release), root + image))
    rows.append(
        _row("full payload", release.size("full.payload"), root + image, peer if compared else "")
    )
    notes = (
        f"{release.packages} Debian packages",
        "x is the ratio of sizes; the share of the payload is that of root and kernel image",
    )
    return Table(f"Sizes of {release.path.name}", _COLUMNS, tuple(rows), notes)


def _row(label: str, size: int, place: int = 0, against: str = "") -> Row:
    share = Series.of(100 * size / place) if place else None
    return Row(label, (Series.of(size / _MB), share), against)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = tables.options("size", __doc__)
    top.add_argument("releases", nargs="+", type=Path, help="output directories of build-image")
    top.add_argument("--alone", action="store_true", help="without the zstd stream (minutes)")
    return top


def main() -> int:
    """Entry point."""
    return tables.run(parser(), weighed)


def weighed(options: argparse.Namespace) -> Iterator[Table]:
    """A table for each release."""
    for path in options.releases:
        if not (path / "full.payload").is_file():
            raise InvalidInput(f"{path}: no release with a payload", hint="see build-image --help")
        yield table(Release(path.resolve()), compared=not options.alone)


if __name__ == "__main__":
    sys.exit(main())
