"""A whole machine in a directory, as the initrd meets it."""

import struct
from collections.abc import Sequence
from pathlib import Path

from hostio.disk.sysfs import SysBlock
from hostio.system.programs import Ended
from osmodel import gpt, partitions, verity
from tests.fakes.clock import StoppedClock
from tests.fakes.kernel import RamKernel, Scroll
from update_engine.initrd.modules import Modules
from update_engine.initrd.world import InitrdWorld, Paths

MIB = 1 << 20
SECTOR = 512
IN_A, IN_B = "a" * 64, "b" * 64
BOOT_ID = "11111111-2222-3333-4444-555555555555"
SIZES = {"esp": 1, "root-a": 2, "root-a-verity": 1, "root-b": 2, "root-b-verity": 1}


def ext4_head(size: int) -> bytes:
    """The start of a file system of ``size`` bytes."""
    head = bytearray(4096)
    struct.pack_into("<I", head, 1024 + 0x4, size // 4096)
    struct.pack_into("<I", head, 1024 + 0x18, 2)
    head[1024 + 0x38 : 1024 + 0x3A] = b"\x53\xef"
    return bytes(head)


class RamMachine:
    """One disk with both slots; the state partition only if asked for.

    Args:
        top: an empty directory.
        disk_mib: size of the disk.
        state_mib: size of the state partition, 0 for a new machine.
    """

    def __init__(self, top: Path, *, disk_mib: int = 32, state_mib: int = 16) -> None:
        self.paths = Paths(*(top / name for name in ("proc", "sys", "dev", "run", "root")))
        for path in self.paths:
            path.mkdir()
        self.clock, self.journal, self.loaded = StoppedClock(), Scroll(), list[str]()
        self.kernel = RamKernel(self.paths.dev)
        self.var = top / "media/state"
        self.esp = top / "media/esp"
        self._make_root(top / "media/root")
        for medium in (self.var, self.esp / "EFI/Linux"):
            medium.mkdir(parents=True)
        self.kernel.programs = {"e2fsck": self._e2fsck, "systemd-repart": self._repart}
        self.check_status = [0]
        self.set_command_line(f"quiet roothash={IN_A} ro")
        self._write("proc/sys/kernel/random/boot_id", BOOT_ID)
        sizes = {**SIZES, **({"state": state_mib} if state_mib else {})}
        self.table = self._lay_out(sizes, disk_mib)
        self.plug_in()

    @property
    def world(self) -> InitrdWorld:
        return InitrdWorld(
            mounts=self.kernel,
            mapper=self.kernel,
            modules=Modules(self.paths.proc / "modules", self.paths.sys, self._load),
            programs=self.kernel,
            block=SysBlock(self.paths.sys, self.paths.dev),
            clock=self.clock,
            journal=self.journal,
            paths=self.paths,
        )

    def set_command_line(self, text: str) -> None:
        self._write("proc/cmdline", text)

    def node(self, label: str) -> Path:
        partition = self.table.find(label)
        assert partition is not None
        return self.paths.dev / f"vda{partition.number}"

    def write_table(self, table: gpt.Gpt) -> None:
        """Put a table on the disk and let the kernel see it."""
        self.table = table
        with (self.paths.dev / "vda").open("r+b") as disk:
            disk.write(gpt.encode_primary(table))
            disk.seek(gpt.backup_lba(table) * SECTOR)
            disk.write(gpt.encode_backup(table))
        self.plug_in()

    def plug_in(self) -> None:
        """Let the disk and its partitions appear in sysfs."""
        size = (self.paths.dev / "vda").stat().st_size
        self._write("sys/block/vda/size", str(size // SECTOR))
        self._write("sys/block/vda/queue/logical_block_size", str(SECTOR))
        for one in self.table.partitions:
            folder = f"sys/block/vda/vda{one.number}"
            self._write(f"{folder}/partition", str(one.number))
            self._write(f"{folder}/start", str(one.first_lba))
            self._write(f"{folder}/size", str(one.sectors))
            self._write(f"{folder}/dev", f"254:{one.number}")
            node = self.paths.dev / f"vda{one.number}"
            if not node.exists():
                self._fill(one, node)

    def unplug(self) -> None:
        """Take the disk out of sysfs."""
        (self.paths.sys / "block/vda/size").unlink()

    def _fill(self, one: gpt.Partition, node: Path) -> None:
        content = b""
        if one.label.endswith("verity"):
            content = verity.superblock_for("minimal", 8).encode()
        if one.label == "state":
            content = ext4_head(one.sectors * SECTOR)
            self.kernel.media[str(node)] = self.var
        if one.label == "esp":
            self.kernel.media[str(node)] = self.esp
        with node.open("wb") as file:
            file.write(content)
            file.truncate(one.sectors * SECTOR)

    def _lay_out(self, sizes: dict[str, int], disk_mib: int) -> gpt.Gpt:
        guids = {}
        for slot, root_hash in (("a", IN_A), ("b", IN_B)):
            pair = partitions.slot_guids(root_hash)
            guids[f"root-{slot}"], guids[f"root-{slot}-verity"] = pair
        rows, start = [], MIB // SECTOR
        for number, (label, size) in enumerate(sizes.items(), 1):
            last = start + size * MIB // SECTOR - 1
            guid = guids.get(label, partitions.derived_guid(label))
            row = gpt.Partition(partitions.STATE_TYPE, guid, start, last, 0, label, number)
            rows.append(row)
            start = last + 1
        with (self.paths.dev / "vda").open("wb") as disk:
            disk.truncate(disk_mib * MIB)
        table = gpt.Gpt(
            partitions.derived_guid("disk"), SECTOR, disk_mib * MIB // SECTOR, tuple(rows)
        )
        self.table = table
        with (self.paths.dev / "vda").open("r+b") as disk:
            disk.write(gpt.encode_primary(table))
        return table

    def _e2fsck(self, argv: Sequence[str], root: Path | None) -> Ended:
        assert root is None
        status = self.check_status.pop(0) if len(self.check_status) > 1 else self.check_status[0]
        return Ended(status, f"{argv[1]} said {status}")

    def _repart(self, argv: Sequence[str], root: Path | None) -> Ended:
        """Make or grow the state partition to the end of the disk."""
        assert root == self.paths.root
        assert argv[-1] == str(self.paths.dev / "vda")
        size = (self.paths.dev / "vda").stat().st_size
        table = self.table._replace(total_sectors=size // SECTOR)
        state = table.find("state")
        others = tuple(p for p in table.partitions if p.label != "state")
        first = state.first_lba if state else others[-1].last_lba + 1
        guid = partitions.derived_guid("made")
        made = gpt.Partition(
            partitions.STATE_TYPE, guid, first, table.last_usable, 0, "state", len(others) + 1
        )
        self.write_table(table._replace(partitions=(*others, made)))
        return Ended(0, "")

    def _make_root(self, medium: Path) -> None:
        for name in ("etc", "var", "proc", "sys", "dev", "run", "tmp", "usr"):
            (medium / name).mkdir(parents=True)
        self.paths.root.rmdir()
        self.kernel.media[str(self.paths.dev / "dm-0")] = medium

    def _load(self, path: Path) -> None:
        self.loaded.append(path.name)

    def _write(self, name: str, text: str) -> None:
        top, _, rest = name.partition("/")
        path = {"proc": self.paths.proc, "sys": self.paths.sys}[top] / rest
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
