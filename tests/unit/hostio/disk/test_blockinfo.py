"""What the kernel says of disks that somebody wants to overwrite."""

import os
from pathlib import Path

import pytest

from hostio.disk import blockinfo
from hostio.disk.blockinfo import KernelDiskInventory, Medium
from osmodel.faults import HostFailure, InvalidInput

HOST = Path("/dev/host")


class PaperHost:
    """A sysfs and a procfs of files; device numbers of nodes are made up."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.sys, self.proc = root / "sys", root / "proc"
        self.numbers: dict[str, str] = {}
        (self.sys / "dev/block").mkdir(parents=True)
        for process in ("self", "1"):
            (self.proc / process).mkdir(parents=True)
            (self.proc / process / "mountinfo").write_text("")
        patch.setattr(blockinfo, "_number_of", lambda node: self.numbers.get(str(node)))

    def device(self, place: str, number: str, **files: str) -> Path:
        directory = self.sys / "devices" / place
        for name, text in {"dev": number, "size": "2048", "ro": "0", **files}.items():
            file = directory / name.replace("__", "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{text}\n")
        (self.sys / "dev/block" / number).symlink_to(directory)
        self.numbers[f"/dev/{directory.name}"] = number
        return directory

    def mount(self, number: str, point: str, source: str, *, process: str = "self") -> None:
        with (self.proc / process / "mountinfo").open("a") as file:
            file.write(f"22 1 {number} / {point} rw shared:1 - ext4 {source} rw\n")

    def look(self, node: str) -> Medium:
        return KernelDiskInventory(self.sys, self.proc).look(Path(node))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PaperHost:
    host = PaperHost(tmp_path, monkeypatch)
    card = {"queue__logical_block_size": "512", "device__vendor": "Generic", "device__model": "SD"}
    host.device("sdb", "8:16", **card)
    host.device("sdb/sdb1", "8:17", partition="1")
    host.device("sdb/sdb2", "8:18", partition="2")
    return host


def test_an_idle_card_has_no_users(host: PaperHost) -> None:
    assert host.look("/dev/sdb") == Medium(
        node=Path("/dev/sdb"),
        is_partition=False,
        size=1 << 20,
        sector_size=512,
        read_only=False,
        model="Generic SD",
        partitions=2,
        users=(),
    )


def test_a_partition_is_told_from_a_disk(host: PaperHost) -> None:
    found = host.look("/dev/sdb1")
    assert found.is_partition
    assert found.sector_size == 512


def test_a_mounted_partition_uses_its_disk(host: PaperHost) -> None:
    host.mount("8:17", "/media/my\\040card", "/dev/sdb1")
    assert host.look("/dev/sdb").users == ("sdb1 is mounted at /media/my card",)


def test_what_only_the_first_process_sees_counts(host: PaperHost) -> None:
    host.mount("8:16", "/srv", "/dev/sdb", process="1")
    assert host.look("/dev/sdb").users == ("sdb is mounted at /srv",)


def test_btrfs_is_found_by_its_source(host: PaperHost) -> None:
    host.mount("0:35", "/home", "/dev/sdb2")
    assert host.look("/dev/sdb").users == ("sdb2 is mounted at /home",)


def test_swap_counts(host: PaperHost) -> None:
    (host.proc / "swaps").write_text(
        "Filename Type Size Used Priority\n/dev/sdb2 partition 1 0 -2\n"
    )
    assert host.look("/dev/sdb").users == ("sdb2 is swap space",)


def test_the_root_behind_two_mappings_uses_the_disk(host: PaperHost) -> None:
    crypt = host.device("dm-0", "253:0", dm__name="luks")
    volume = host.device("dm-1", "253:1", dm__name="vg-root")
    for below, above in ((host.sys / "devices/sdb/sdb2", crypt), (crypt, volume)):
        (below / "holders").mkdir()
        (below / "holders" / above.name).symlink_to(above)
    host.mount("253:1", "/", "/dev/mapper/vg-root")
    assert host.look("/dev/sdb").users == (
        "dm-0 is part of vg-root",
        "dm-1 is mounted at /",
        "sdb2 is part of luks",
    )


def test_not_knowing_what_is_mounted_is_no_permission(host: PaperHost) -> None:
    (host.proc / "1/mountinfo").unlink()
    (host.proc / "1/mountinfo").mkdir()
    with pytest.raises(HostFailure, match="mountinfo"):
        host.look("/dev/sdb")


def test_what_is_no_block_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "missing"):
        with pytest.raises(InvalidInput, match="not a block device"):
            KernelDiskInventory(tmp_path, tmp_path).look(path)


def test_a_device_that_cannot_be_scanned_is_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(512))
    for path in (tmp_path / "file", tmp_path / "missing"):
        KernelDiskInventory().scan(path)
