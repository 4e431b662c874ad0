"""The disk of a Raspberry Pi, read and written by programs that are not ours."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builder.flash import cli
from builder.flash.world import FlashWorld
from builder.image import bmap, disk, diskmap, esp
from builder.packages.sandbox import ToolsTree
from hostio.disk.blockdev import FileBlockDevice
from hostio.disk.blockinfo import KernelDiskInventory
from hostio.system.clock import SystemClock
from hostio.system.runner import Command, LocalRunner, Runner
from osmodel import slotstate
from osmodel.platforms import Platform
from tests.checkout import ROOT
from tests.fakes.report import KeptReport
from tests.interop.pinnedtools import tools_tree

pytestmark = [pytest.mark.interop, pytest.mark.root]

MIB = 1 << 20
HASH = "a1" * 16 + "b2" * 16
REPART = ROOT / "images/minimal/overlay/usr/lib/twinkeel/repart.d"
BOARD = esp.EspOptions("arm64", 300 * MIB, slotstate.entry_name("a"), 0x1234)
SHAPE = disk.DiskOptions(
    "minimal", "arm64", 300 * MIB, 8 * MIB, 4 * MIB, platform=Platform.RASPBERRYPI
)
Attach = Callable[[int], Path]


@pytest.fixture(scope="module")
def tree() -> ToolsTree:
    """The tools tree, made now if this host does not have it."""
    return tools_tree()


@pytest.fixture
def tools(tree: ToolsTree, tmp_path: Path) -> Runner:
    return tree.runner([tmp_path, REPART])


@pytest.fixture
def image(tools: Runner, tmp_path: Path) -> Path:
    """A disk with its map beside it; kernel image, root and tree are stand-ins."""
    (tmp_path / "uki").write_bytes(b"kernel" * 100_000 + bytes(MIB) + b"end")
    (tmp_path / "start.elf").write_bytes(b"firmware" * 1000)
    (tmp_path / "root").write_bytes(b"root" * MIB)
    (tmp_path / "verity").write_bytes(b"tree" * 1024)
    files = {"start.elf": tmp_path / "start.elf"}
    esp.make_board_fat(tools, tmp_path / "uki", files, tmp_path / "esp", BOARD)
    parts = disk.DiskContents(tmp_path / "esp", tmp_path / "root", tmp_path / "verity", HASH)
    table = disk.make_disk(parts, tmp_path / "disk.img", SHAPE)
    found = bmap.map_image(tmp_path / "disk.img", diskmap.used_ranges(table, parts))
    (tmp_path / "disk.img.bmap").write_text(bmap.to_text(found))
    return tmp_path / "disk.img"


@pytest.fixture
def attach(tmp_path: Path) -> Iterator[Attach]:
    """Makes a card of some size that holds no zeros: a loop device."""
    if os.geteuid() != 0 or not Path("/dev/loop-control").exists():
        pytest.skip("needs root and loop devices")
    runner, nodes = LocalRunner(), []

    def make(size: int) -> Path:
        backing = tmp_path / "card"
        with backing.open("wb") as file:
            for _ in range(0, size, MIB):
                file.write(b"\xee" * MIB)
        argv = ["losetup", "--find", "--show", "--partscan", str(backing)]
        nodes.append(runner.run(Command(argv)).decode().strip())
        return Path(nodes[-1])

    yield make
    for node in nodes:
        runner.run(Command(["losetup", "--detach", node]))


def flash(source: Path, card: Path) -> int:
    world = FlashWorld(
        KernelDiskInventory(), FileBlockDevice, lambda _question: None, SystemClock(), KeptReport()
    )
    return cli.run([str(source), str(card), "--yes"], world)


def test_sfdisk_takes_the_gpt_for_the_truth(tools: Runner, image: Path) -> None:
    said = tools.run(Command(["sfdisk", "--verify", str(image)])).decode()
    assert "No errors detected" in said
    seen = json.loads(tools.run(Command(["sfdisk", "--json", str(image)])))["partitiontable"]
    assert seen["label"] == "gpt"
    assert [row["name"] for row in seen["partitions"]][:2] == ["esp", "root-a"]


def test_a_reader_of_master_boot_records_finds_the_fat(tools: Runner, image: Path) -> None:
    argv = ["sfdisk", "--json", "--label-nested", "dos", str(image)]
    rows = json.loads(tools.run(Command(argv)))["partitiontable"]["partitions"]
    assert [(row["type"], row["start"], row["size"]) for row in rows] == [
        ("c", 2048, 600 * 1024),
        ("ee", 1, 2047),
    ]


def test_the_fat_is_whole_and_holds_what_belongs_there(tools: Runner, image: Path) -> None:
    made = image.with_name("esp")
    tools.run(Command(["fsck.vfat", "-n", str(made)]))
    argv = ["mcopy", "-i", str(made), "::/EFI/Linux/twinkeel_a.efi", "-"]
    assert tools.run(Command(argv)) == image.with_name("uki").read_bytes()
    listed = tools.run(Command(["mdir", "-b", "-/", "-i", str(made), "::"])).decode().split()
    assert sorted(listed) == [
        "::/EFI/", "::/EFI/Linux/", "::/EFI/Linux/twinkeel_a.efi",
        "::/slots0.env", "::/slots1.env", "::/start.elf",
    ]  # fmt: skip


def test_growing_the_disk_leaves_the_first_sector_alone(tools: Runner, image: Path) -> None:
    before = image.read_bytes()[:512]
    os.truncate(image, image.stat().st_size + 256 * MIB)
    tools.run(
        Command(
            [
                *("systemd-repart", "--dry-run=no", "--empty=refuse", "--seed=random"),
                *(f"--definitions={REPART}", "--offline=yes", "--no-pager", str(image)),
            ],
            env={"TMPDIR": "/tmp"},  # noqa: S108 - the box's own
        )
    )
    assert image.read_bytes()[:512] == before
    seen = json.loads(tools.run(Command(["sfdisk", "--json", str(image)])))["partitiontable"]
    assert seen["partitions"][-1]["name"] == "state"


def test_what_the_map_leaves_out_is_not_missed(tools: Runner, image: Path, attach: Attach) -> None:
    card = attach(400 * MIB)
    assert flash(image, card) == 0
    written = image.with_name("card").read_bytes()
    plain = image.read_bytes()
    parts = bmap.parse(image.with_name("disk.img.bmap").read_text()).parts
    assert sum(part.range.length for part in parts) < 16 * MIB
    for part in parts:
        content = written[part.range.start : part.range.end]
        assert hashlib.sha256(content).hexdigest() == part.sha256
        assert content == plain[part.range.start : part.range.end]
    (image.with_name("fat")).write_bytes(written[MIB : 301 * MIB])
    tools.run(Command(["fsck.vfat", "-n", str(image.with_name("fat"))]))


def test_a_written_card_has_the_partitions_of_the_image(
    tools: Runner, image: Path, attach: Attach
) -> None:
    card = attach(400 * MIB)
    assert flash(image, card) == 0
    assert KernelDiskInventory().look(card).users == ()
    argv = ["sfdisk", "--json", str(image.with_name("card"))]
    rows = json.loads(tools.run(Command(argv)))["partitiontable"]["partitions"]
    assert [row["name"] for row in rows] == [
        "esp", "root-a", "root-a-verity", "root-b", "root-b-verity",
    ]  # fmt: skip


def test_a_mounted_card_is_refused_and_keeps_its_bytes(
    tmp_path: Path, image: Path, attach: Attach, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("needs mkfs.ext4")
    card, runner = attach(400 * MIB), LocalRunner()
    runner.run(Command(["mkfs.ext4", "-q", "-F", str(card)]))
    point = tmp_path / "point"
    point.mkdir()
    runner.run(Command(["mount", str(card), str(point)]))
    try:
        assert flash(image, card) == 2
        assert f"is mounted at {point}" in capsys.readouterr().err
    finally:
        runner.run(Command(["umount", str(point)]))
    assert flash(image, card) == 0


def test_a_card_somebody_else_holds_is_refused_by_the_kernel(
    image: Path, attach: Attach, capsys: pytest.CaptureFixture[str]
) -> None:
    card = attach(400 * MIB)
    with FileBlockDevice(card):
        assert flash(image, card) == 74
    assert "busy" in capsys.readouterr().err


def test_a_card_that_is_too_small_is_refused(
    image: Path, attach: Attach, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flash(image, attach(300 * MIB)) == 2
    assert "the image needs" in capsys.readouterr().err


def test_a_partition_is_refused(
    image: Path, attach: Attach, capsys: pytest.CaptureFixture[str]
) -> None:
    card = attach(400 * MIB)
    assert flash(image, card) == 0
    part = Path(f"{card}p2")
    if not part.exists():
        pytest.skip("this host makes no nodes for partitions of loop devices")
    assert flash(image, part) == 2
    assert "is a partition" in capsys.readouterr().err


def test_the_disk_this_test_runs_from_is_refused(
    image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device = Path(__file__).stat().st_dev
    sys = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if not sys.exists():
        pytest.skip("the checkout does not lie on a disk")
    place = sys.resolve()
    name = place.parent.name if (place / "partition").exists() else place.name
    assert flash(image, Path("/dev") / name) == 2
    assert "in use" in capsys.readouterr().err
