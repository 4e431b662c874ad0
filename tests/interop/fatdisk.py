"""A disk with one FAT, written by whatever runs in QEMU, with every write logged.

The power can be cut afterwards: what a start wrote is put back onto the disk as
far as it came.
"""

import itertools
import os
import random
import shutil
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from hostio.system.runner import Command, Runner
from osmodel.faults import HostFailure
from osmodel.gpt import Gpt, Partition, encode_backup, encode_primary
from osmodel.partitions import ESP, ESP_TYPE, derived_guid

SECTOR = 512
MIB = 1 << 20
_FAT = 297 * MIB  # FAT32 with clusters of 4 KiB, as on every machine of ours
_SIZE = 300 * MIB
_EXHAUSTIVE = 8  # pending sectors up to which every subset is tried
_OPTIONS = {"MTOOLS_SKIP_CHECK": "1", "TZ": "UTC"}
_COPY_ALL = """\
for name in $(mdir -/ -b -i "$1" ::/); do
  path="$2/${name#::/}"
  case "$name" in
    */) mkdir -p "$path" ;;
    *) mkdir -p "${path%/*}"; mcopy -n -i "$1" "$name" "$path" || : > "$path" ;;
  esac
done
"""
Sectors = dict[int, bytes]


class Write(NamedTuple):
    """One write of the log, in sectors of the disk."""

    sector: int
    content: bytes

    def sectors(self) -> Iterator[tuple[int, bytes]]:
        """Number and content of each."""
        for at in range(0, len(self.content), SECTOR):
            yield self.sector + at // SECTOR, self.content[at : at + SECTOR]


class Flush:
    """All writes before it are on the medium."""


Event = Write | Flush


class FatDisk:
    """One disk with one FAT, and the log of what the last start wrote.

    Args:
        tools: runs QEMU and mtools; sees ``place``.
        place: empty directory.
    """

    def __init__(self, tools: Runner, place: Path) -> None:
        self._tools = tools
        self.place = place
        self._log = place / "log"
        self._scratch = place / "scratch"
        self._disk = place / "disk.raw"
        self._fat = f"{self._disk}@@{MIB}"
        self._make()

    def _make(self) -> None:
        sectors = _SIZE // SECTOR
        last = (MIB + _FAT) // SECTOR - 1
        esp = Partition(ESP_TYPE, derived_guid(ESP), MIB // SECTOR, last, 0, ESP, 1)
        table = Gpt(derived_guid("disk"), SECTOR, sectors, (esp,))
        fat = self._scratch
        with fat.open("wb") as file:
            file.truncate(_FAT)
        self.run("mkfs.vfat", "--invariant", "-F", "32", "-S", "512", "-s", "8", str(fat))
        backup = encode_backup(table)
        with self._disk.open("wb") as disk:
            disk.truncate(_SIZE)
            disk.write(encode_primary(table))
            disk.seek(_SIZE - len(backup))
            disk.write(backup)
        self.run("dd", f"if={fat}", f"of={self._disk}", "bs=1M", "seek=1", "conv=notrunc,sparse")
        self.run("mmd", "-i", self._fat, "::/EFI", "::/EFI/Linux")

    def put(self, name: str, content: bytes | None) -> None:
        """Write a file of the FAT, or remove it."""
        if content is None:
            self.run("mdel", "-i", self._fat, f"::/{name}")
            return
        self._scratch.write_bytes(content)
        self.run("mcopy", "-o", "-i", self._fat, str(self._scratch), f"::/{name}")

    def get(self, name: str) -> bytes | None:
        """A file of the FAT."""
        try:
            return self.run("mtype", "-i", self._fat, f"::/{name}")
        except HostFailure:
            return None

    def files(self) -> dict[str, bytes]:
        """Every file by its path; one whose clusters are gone is empty."""
        top = self.place / "files"
        shutil.rmtree(top, ignore_errors=True)
        top.mkdir()
        # One by one: a file that cannot be read must not hide the others.
        self.run("sh", "-c", _COPY_ALL, "copy", self._fat, str(top))
        found = [path for path in sorted(top.rglob("*")) if path.is_file()]
        return {str(path.relative_to(top)): path.read_bytes() for path in found}

    def drive(self) -> list[str]:
        """QEMU's arguments for the disk; a new log begins."""
        self._log.write_bytes(b"")
        nodes = [
            f"driver=file,filename={self._disk},node-name=file",
            f"driver=file,filename={self._log},node-name=log",
            "driver=blklogwrites,file=file,log=log,node-name=disk",
        ]
        blocks = itertools.chain.from_iterable(("-blockdev", node) for node in nodes)
        return [*blocks, "-device", "virtio-blk-pci,drive=disk"]

    def events(self) -> list[Event]:
        """What the last start wrote, in order."""
        return list(_parse_log(self._log.read_bytes()))

    def writes(self) -> list[Write]:
        """As ``events``, without the flushes."""
        return [event for event in self.events() if isinstance(event, Write)]

    def keep(self, name: str = "kept.raw") -> Path:
        """A copy of the disk as it is; the holes stay holes."""
        kept = self._disk.with_name(name)
        self.run("cp", "--sparse=always", str(self._disk), str(kept))
        return kept

    def restore(self, kept: Path) -> None:
        """Make the disk what it was."""
        self.run("cp", "--sparse=always", str(kept), str(self._disk))

    def cuts(self, kept: Path, contents: Iterable[Sectors]) -> Iterator[None]:
        """Put each of the disks that a cut can leave, then the one that was kept."""
        for content in contents:
            self.restore(kept)
            with self._disk.open("r+b") as disk:
                for number, sector in content.items():
                    disk.seek(number * SECTOR)
                    disk.write(sector)
            yield
        self.restore(kept)

    def complaints(self) -> list[str]:
        """What fsck.vfat would repair.

        The count of free clusters, which U-Boot does not keep up, is no more
        than a hint in the format itself.
        """
        self.run("dd", f"if={self._disk}", f"of={self._scratch}", "bs=1M", "skip=1", "conv=sparse")
        os.truncate(self._scratch, _FAT)
        said = self.run("sh", "-c", f"fsck.vfat -n {self._scratch} || true").decode()
        hints = ("fsck.fat", "Free cluster summary", "  Auto-correcting", "Leaving", "/")
        return [line for line in said.splitlines() if line and not line.startswith(hints)]

    def run(self, *argv: str) -> bytes:
        """A program of the tools."""
        return self._tools.run(Command(argv, env=_OPTIONS, timeout=150))


def outcomes(events: Sequence[Event], most: int, seed: int = 0) -> list[Sectors]:
    """Sectors that differ from before, after a cut anywhere in ``events``.

    What was flushed is there. Of what was not, every prefix is tried, and every
    subset while it is small, else random ones.

    Args:
        events: in order.
        most: contents; more are thinned out at random.
        seed: of what is random.
    """
    chance, durable = random.Random(seed), Sectors()
    pending: list[tuple[int, bytes]] = []
    found: dict[tuple[tuple[int, bytes], ...], Sectors] = {}

    def note(sectors: Iterable[tuple[int, bytes]]) -> None:
        content = durable | dict(sectors)
        found.setdefault(tuple(sorted(content.items())), content)

    for event in (*events, Flush()):
        if isinstance(event, Write):
            for sector in event.sectors():
                pending.append(sector)
                note(pending)
            continue
        for kept in _subsets(pending, chance):
            note(kept)
        durable |= dict(pending)
        pending.clear()
        note(())
    contents = list(found.values())
    return contents if len(contents) <= most else chance.sample(contents, most)


def _subsets(
    pending: Sequence[tuple[int, bytes]], chance: random.Random
) -> Iterator[list[tuple[int, bytes]]]:
    if len(pending) <= _EXHAUSTIVE:
        for picks in itertools.product((False, True), repeat=len(pending)):
            yield list(itertools.compress(pending, picks))
        return
    for _ in range(_EXHAUSTIVE):
        share = chance.random()
        yield [sector for sector in pending if chance.random() < share]


def _parse_log(log: bytes) -> Iterator[Event]:
    """The events of a dm-log-writes log.

    Source: Linux, Documentation/admin-guide/device-mapper/log-writes.rst.
    """
    if not log:
        return
    magic, version, entries, size = struct.unpack_from("<QQQI", log)
    assert (magic, version) == (0x6A736677736872, 1)
    at = size
    for _ in range(entries):
        sector, count, flags, _ = struct.unpack_from("<QQQQ", log, at)
        at += size
        assert not flags & 4, "nobody discards here"
        if count:
            yield Write(sector * (size // SECTOR), log[at : at + count * size])
            at += count * size
        if flags & 1:
            yield Flush()
