"""Data disks: what real programs make on real devices, and find there."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostio.disk.datadisks import Content, KernelDataDisks
from hostio.system.runner import Command, LocalRunner, Runner
from osmodel.faults import HostFailure
from tests.interop.pinnedtools import tools_tree

MIB = 1 << 20
RUNNER = LocalRunner()
pytestmark = [
    pytest.mark.interop,
    pytest.mark.root,
    pytest.mark.skipif(
        os.geteuid() != 0 or not Path("/dev/loop-control").exists(),
        reason="needs loop devices as root",
    ),
]


@pytest.fixture(scope="module")
def tools() -> Runner:
    """Programs of one version, wherever this runs; they see the host's devices."""
    return tools_tree().runner()


@pytest.fixture
def device(tmp_path: Path) -> Iterator[str]:
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(64 * MIB)
    name = RUNNER.run(Command(["losetup", "--find", "--show", str(image)])).decode().strip()
    yield name
    RUNNER.run(Command(["losetup", "--detach", name]))


@pytest.mark.parametrize("kind", ["ext4", "vfat"])
def test_what_is_made_is_found(device: str, kind: str, tools: Runner) -> None:
    disks = KernelDataDisks(tools)
    assert disks.look(device) == Content()
    identity = disks.fresh_identity(kind)
    for _ in range(2):  # over itself, as after a power cut
        disks.make(device, kind, "DATA", identity)
        assert disks.look(device) == Content(kind, "DATA", identity, blank=False)


@pytest.mark.parametrize("at", [0, 4096, MIB - 1, 63 * MIB, 64 * MIB - 1])
def test_one_byte_at_either_end_is_not_empty(device: str, at: int, tools: Runner) -> None:
    with Path(device).open("r+b") as file:
        file.seek(at)
        file.write(b"\1")
    assert KernelDataDisks(tools).look(device) == Content(blank=False)


def test_a_partition_table_is_not_empty(device: str, tools: Runner) -> None:
    tools.run(Command(["sfdisk", "--quiet", device], stdin=b"label: gpt\n"))
    assert KernelDataDisks(tools).look(device).kind == "gpt"


def test_a_mounted_disk_is_in_use(device: str, tmp_path: Path, tools: Runner) -> None:
    disks = KernelDataDisks(tools)
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
