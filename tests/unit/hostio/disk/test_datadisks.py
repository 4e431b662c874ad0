"""Data disks: what the programs are asked. On real devices: tests/interop/test_data_disks.py."""

import pytest

from hostio.disk.datadisks import KernelDataDisks, mkfs
from osmodel.faults import HostFailure, InvalidInput
from tests.fakes.runner import ScriptedRunner, failing


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
