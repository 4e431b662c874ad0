"""Data disks: what the programs are asked, and what real ones find on real devices."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostio.disk.datadisks import Content, KernelDataDisks, mkfs
from hostio.system.runner import Command, LocalRunner
from osmodel.faults import HostFailure, InvalidInput
from tests.fakes.runner import ScriptedRunner, failing

MIB = 1 << 20
RUNNER = LocalRunner()
REAL = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("losetup") or not Path("/dev/loop-control").exists(),
    reason="needs loop devices as root",
)
MADE = {"ext4": "mkfs.ext4", "vfat": "mkfs.vfat"}


def test_an_ext4_is_made() -> None:
    assert mkfs("/dev/vdb", "ext4", "data", "u-1") == [
        "mkfs.ext4", "-q", "-F", "-U", "u-1", "-L", "data", "/dev/vdb",
    ]  # fmt: skip


def test_a_fat_is_made() -> None:
    assert mkfs("/dev/vdb", "vfat", "", "12AB-34CD") == [
        "mkfs.vfat", "-I", "-i", "12AB34CD", "/dev/vdb",
    ]  # fmt: skip


def test_another_kind_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'xfs'"):
        mkfs("/dev/vdb", "xfs", "", "")


def test_a_missing_disk_is_waited_for() -> None:
    runner = ScriptedRunner(udevadm=failing("exit 1"))
    with pytest.raises(HostFailure, match="no such disk after 10 s"):
        KernelDataDisks(runner).look("/dev/disk/by-id/none")
    assert runner.commands[0].argv[:2] == ["udevadm", "wait"]


@pytest.mark.parametrize("path", ["/dev/null", "/dev", "/etc/passwd"])
def test_only_block_devices_are_disks(path: str) -> None:
    with pytest.raises(InvalidInput, match="not a block device"):
        KernelDataDisks(ScriptedRunner()).look(path)


def test_identities_differ_and_have_the_form_of_their_kind() -> None:
    disks = KernelDataDisks(ScriptedRunner())
    assert disks.fresh_identity("ext4") != disks.fresh_identity("ext4")
    assert len(disks.fresh_identity("vfat")) == 9


@pytest.fixture
def device(tmp_path: Path) -> Iterator[str]:
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(64 * MIB)
    name = RUNNER.run(Command(["losetup", "--find", "--show", str(image)])).decode().strip()
    yield name
    RUNNER.run(Command(["losetup", "--detach", name]))


@REAL
@pytest.mark.parametrize("kind", ["ext4", "vfat"])
def test_what_is_made_is_found(device: str, kind: str) -> None:
    if not shutil.which(MADE[kind]):
        pytest.skip(f"no {MADE[kind]}")
    disks = KernelDataDisks(RUNNER)
    assert disks.look(device) == Content()
    identity = disks.fresh_identity(kind)
    for _ in range(2):  # over itself, as after a power cut
        disks.make(device, kind, "DATA", identity)
        assert disks.look(device) == Content(kind, "DATA", identity, blank=False)


@REAL
@pytest.mark.parametrize("at", [0, 4096, MIB - 1, 63 * MIB, 64 * MIB - 1])
def test_one_byte_at_either_end_is_not_empty(device: str, at: int) -> None:
    with Path(device).open("r+b") as file:
        file.seek(at)
        file.write(b"\1")
    assert KernelDataDisks(RUNNER).look(device) == Content(blank=False)


@REAL
def test_a_partition_table_is_not_empty(device: str) -> None:
    if not shutil.which("sfdisk"):
        pytest.skip("no sfdisk")
    RUNNER.run(Command(["sfdisk", "--quiet", device], stdin=b"label: gpt\n"))
    assert KernelDataDisks(RUNNER).look(device).kind == "gpt"


@REAL
def test_a_mounted_disk_is_in_use(device: str, tmp_path: Path) -> None:
    disks = KernelDataDisks(RUNNER)
    disks.make(device, "ext4", "", disks.fresh_identity("ext4"))
    (tmp_path / "at").mkdir()
    RUNNER.run(Command(["mount", device, str(tmp_path / "at")]))
    try:
        found = disks.look(device)
        with pytest.raises(HostFailure):
            disks.make(device, "ext4", "", found.identity)
    finally:
        RUNNER.run(Command(["umount", str(tmp_path / "at")]))
    assert (found.kind, found.in_use) == ("ext4", True)
