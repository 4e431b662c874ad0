"""A machine with a real U-Boot: a FAT with boot.scr and the slot state, in QEMU.

Its kernel images are programs of a kilobyte that say which slot runs. What
U-Boot writes can be logged, so that the power can be cut at each of its sectors
afterwards.
"""

import itertools
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from builder.boot.bootscript import FILE, make_boot_script
from hostio.runner import Command, Runner
from osmodel.faults import HostFailure
from osmodel.gpt import Gpt, Partition, encode_backup, encode_primary
from osmodel.partitions import ESP, ESP_TYPE, derived_guid
from osmodel.slotstate import COPIES, entry_name
from tests.fakes.smallefi import Ending, small_efi

SECTOR = 512
MIB = 1 << 20
_FAT = 297 * MIB  # FAT32 with clusters of 4 KiB, as on every machine of ours
_SIZE = 300 * MIB
_FIRMWARE = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
WORDS = {"a": "SLOT-A-RUNS", "b": "SLOT-B-RUNS"}
_ENDINGS = {"a": Ending.POWER_OFF, "b": Ending.RESET}


class Write(NamedTuple):
    """One write of the log, in sectors of the disk."""

    sector: int
    content: bytes


class UBootMachine:
    """One disk, started as often as wanted; each start ends with the first reset.

    Args:
        tools: runs QEMU, mtools and mkimage; sees ``place``.
        place: empty directory.
    """

    def __init__(self, tools: Runner, place: Path) -> None:
        self._tools = tools
        self._log = place / "log"
        self._scratch = place / "scratch"
        self.disk = place / "disk.raw"
        self._fat = f"{self.disk}@@{MIB}"
        self._make()

    def _make(self) -> None:
        sectors = _SIZE // SECTOR
        last = (MIB + _FAT) // SECTOR - 1
        esp = Partition(ESP_TYPE, derived_guid(ESP), MIB // SECTOR, last, 0, ESP, 1)
        table = Gpt(derived_guid("disk"), SECTOR, sectors, (esp,))
        fat = self._scratch
        with fat.open("wb") as file:
            file.truncate(_FAT)
        self._run("mkfs.vfat", "--invariant", "-F", "32", "-S", "512", "-s", "8", str(fat))
        backup = encode_backup(table)
        with self.disk.open("wb") as disk:
            disk.truncate(_SIZE)
            disk.write(encode_primary(table))
            disk.seek(_SIZE - len(backup))
            disk.write(backup)
        self._run("dd", f"if={fat}", f"of={self.disk}", "bs=1M", "seek=1", "conv=notrunc,sparse")
        self._run("mmd", "-i", self._fat, "::/EFI", "::/EFI/Linux")
        script = self._scratch.with_name(FILE)
        make_boot_script(self._tools, script, 1_700_000_000)
        self.put(FILE, script.read_bytes())
        for slot in WORDS:
            self.put_image(slot)

    def put(self, name: str, content: bytes | None) -> None:
        """Write a file of the FAT, or remove it."""
        if content is None:
            self._run("mdel", "-i", self._fat, f"::/{name}")
            return
        self._scratch.write_bytes(content)
        self._run("mcopy", "-o", "-i", self._fat, str(self._scratch), f"::/{name}")

    def get(self, name: str) -> bytes | None:
        """A file of the FAT."""
        try:
            return self._run("mtype", "-i", self._fat, f"::/{name}")
        except HostFailure:
            return None

    def put_image(self, slot: str, content: bytes | None = None) -> None:
        """The program of a slot, or something else under its name."""
        whole = small_efi(WORDS[slot], _ENDINGS[slot])
        self.put(f"EFI/Linux/{entry_name(slot)}", whole if content is None else content)

    def remove_image(self, slot: str) -> None:
        """Leave a slot without kernel image."""
        self.put(f"EFI/Linux/{entry_name(slot)}", None)

    def images(self) -> dict[str, bytes | None]:
        """What lies under the name of each slot."""
        return {slot: self.get(f"EFI/Linux/{entry_name(slot)}") for slot in WORDS}

    def copies(self) -> list[bytes | None]:
        """Both state files."""
        return [self.get(name) for name in COPIES]

    def start(self) -> str:
        """Run until the first reset; what the console said, from the script on."""
        self._log.write_bytes(b"")
        drive = [
            f"driver=file,filename={self.disk},node-name=file",
            f"driver=file,filename={self._log},node-name=log",
            "driver=blklogwrites,file=file,log=log,node-name=disk",
        ]
        blocks = itertools.chain.from_iterable(("-blockdev", node) for node in drive)
        said = self._run(
            *("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-m", "512"),
            *("-bios", _FIRMWARE, "-nographic", "-nic", "none", "-no-reboot"),
            *(*blocks, "-device", "virtio-blk-pci,drive=disk"),
        ).decode(errors="replace")
        _, _, ours = said.partition("with script")
        return ours.replace("\r", "")

    def starts(self, most: int = 8) -> str | None:
        """The slot that runs in the end, over as many resets as it takes."""
        for _ in range(most):
            said = self.start()
            for slot, word in WORDS.items():
                if word in said:
                    return slot
        return None

    def writes(self) -> list[Write]:
        """What the last start wrote, in order."""
        return list(_parse_log(self._log.read_bytes()))

    def keep(self) -> Path:
        """A copy of the disk as it is; the holes stay holes."""
        kept = self.disk.with_name("kept.raw")
        self._run("cp", "--sparse=always", str(self.disk), str(kept))
        return kept

    def restore(self, kept: Path) -> None:
        """Make the disk what it was."""
        self._run("cp", "--sparse=always", str(kept), str(self.disk))

    def complaints(self) -> list[str]:
        """What fsck.vfat would repair.

        The count of free clusters, which U-Boot does not keep up, is no more
        than a hint in the format itself.
        """
        self._run("dd", f"if={self.disk}", f"of={self._scratch}", "bs=1M", "skip=1", "conv=sparse")
        os.truncate(self._scratch, _FAT)
        said = self._run("sh", "-c", f"fsck.vfat -n {self._scratch} || true").decode()
        hints = ("fsck.fat", "Free cluster summary", "  Auto-correcting", "Leaving", "/")
        return [line for line in said.splitlines() if line and not line.startswith(hints)]

    def _run(self, *argv: str) -> bytes:
        env = {"MTOOLS_SKIP_CHECK": "1", "TZ": "UTC"}
        return self._tools.run(Command(argv, env=env, timeout=120))


def _parse_log(log: bytes) -> Iterator[Write]:
    """The writes of a dm-log-writes log.

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
        if count:
            assert not flags & 4, "nobody discards here"
            yield Write(sector * (size // SECTOR), log[at : at + count * size])
            at += count * size
