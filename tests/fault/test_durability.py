"""What a call promises to be durable is found after the power is lost right behind it.

Each test fails when one of the flushes in it is taken out (`make mutants`).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hostio.disk.esp import MountedEsp
from hostio.disk.firmwarefiles import MountedFirmwareFiles
from hostio.files.durable import replace_file
from hostio.files.guardedtree import ROOT, GuardedTree
from hostio.files.preallocated import PreallocatedFile
from hostio.files.statefiles import DurableFile
from tests.cutdisk import CutDisk

pytestmark = pytest.mark.root

OLD, NEW = b"old " * 5000, b"new " * 5000  # several blocks
ENTRY, RENAMED = "twinkeel_1.0.1+3-0.efi", "twinkeel_1.0.1.efi"


@pytest.fixture
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CutDisk]:
    with CutDisk(tmp_path, getattr(request, "param", "ext2")).mounted() as mounted:
        yield mounted


# Names of links and directories are only ever flushed with their directory: that
# is what a journal does, and state lies on ext4.
with_a_journal = pytest.mark.parametrize("disk", ["ext4"], indirect=True)


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_a_replaced_file_has_its_new_content_under_its_name(disk: CutDisk) -> None:
    put(disk.root / "state", OLD)
    disk.settle()
    replace_file(disk.root / "state", NEW)
    with disk.after_cut() as found:
        assert (found / "state").read_bytes() == NEW
        assert not (found / ".state.new").exists()


def test_a_file_in_a_fresh_directory_is_found(disk: CutDisk) -> None:
    disk.settle()
    replace_file(disk.root / "a/b/state", NEW)
    with disk.after_cut() as found:
        assert (found / "a/b/state").read_bytes() == NEW


def test_a_removed_state_file_stays_removed(disk: CutDisk) -> None:
    put(disk.root / "state", OLD)
    disk.settle()
    DurableFile(disk.root / "state").remove()
    with disk.after_cut() as found:
        assert not (found / "state").exists()


def test_a_change_in_allocated_space_is_found(disk: CutDisk) -> None:
    file = PreallocatedFile(disk.root / "state", is_whole=bool)
    file.prepare()
    (disk.root / "state").mkdir()  # so that only the copies can hold the text
    disk.settle()
    file.write(NEW.decode())
    with disk.after_cut() as found:
        content = (found / "state.copies").read_bytes()
    assert NEW in content


def test_allocated_space_is_there_after_a_cut(disk: CutDisk) -> None:
    disk.settle()
    PreallocatedFile(disk.root / "state").prepare()
    with disk.after_cut() as found:
        assert (found / "state.copies").stat().st_blocks * 512 >= 2 * 65536


@pytest.fixture
def tree(disk: CutDisk) -> GuardedTree:
    put(disk.root / "etc/old", OLD)
    (disk.root / "etc/deep").mkdir()
    disk.settle()
    return GuardedTree(disk.root)


def test_a_file_of_the_tree_is_found_with_content_and_mode(
    disk: CutDisk, tree: GuardedTree
) -> None:
    tree.put("/etc/old", NEW, 0o640, ROOT)
    with disk.after_cut() as found:
        assert (found / "etc/old").read_bytes() == NEW
        assert (found / "etc/old").stat().st_mode & 0o777 == 0o640


@with_a_journal
def test_a_link_of_the_tree_is_found(disk: CutDisk, tree: GuardedTree) -> None:
    tree.link("/etc/deep/link", "target")
    with disk.after_cut() as found:
        assert str((found / "etc/deep/link").readlink()) == "target"


@with_a_journal
def test_a_directory_of_the_tree_is_found(disk: CutDisk, tree: GuardedTree) -> None:
    tree.make_directory("/etc/deep/made", 0o750, ROOT)
    with disk.after_cut() as found:
        assert (found / "etc/deep/made").stat().st_mode & 0o777 == 0o750


def test_a_file_removed_from_the_tree_stays_removed(disk: CutDisk, tree: GuardedTree) -> None:
    tree.remove("/etc/old")
    with disk.after_cut() as found:
        assert not (found / "etc/old").exists()


@pytest.fixture
def esp(disk: CutDisk) -> MountedEsp:
    put(disk.root / "EFI/Linux" / ENTRY, OLD)
    put(disk.root / "EFI/twinkeel-tmp/x", b"")
    put(disk.root / "slots0.env", b"old!" * 128)
    disk.settle()
    return MountedEsp(disk.root)


def test_a_closed_entry_is_on_the_medium_before_it_is_placed(
    disk: CutDisk, esp: MountedEsp
) -> None:
    staged = esp.stage()
    staged.write(NEW)
    staged.close()
    with disk.after_cut() as found:
        assert (found / "EFI/twinkeel-tmp/uki.tmp").read_bytes() == NEW


def test_a_placed_entry_is_found_whole_and_once(disk: CutDisk, esp: MountedEsp) -> None:
    staged = esp.stage()
    staged.write(NEW)
    staged.close()
    staged.place(RENAMED)
    with disk.after_cut() as found:
        assert (found / "EFI/Linux" / RENAMED).read_bytes() == NEW
        assert not (found / "EFI/twinkeel-tmp/uki.tmp").exists()


def test_a_renamed_entry_is_found_under_its_new_name_alone(disk: CutDisk, esp: MountedEsp) -> None:
    esp.rename(ENTRY, RENAMED)
    with disk.after_cut() as found:
        names = sorted(path.name for path in (found / "EFI/Linux").iterdir())
    assert names == [RENAMED]


def test_a_removed_entry_stays_removed(disk: CutDisk, esp: MountedEsp) -> None:
    esp.remove(ENTRY)
    with disk.after_cut() as found:
        assert list((found / "EFI/Linux").iterdir()) == []


@pytest.mark.parametrize("name", ["slots0.env", "slots1.env"])
def test_an_overwritten_sector_is_on_the_medium(disk: CutDisk, esp: MountedEsp, name: str) -> None:
    esp.overwrite(name, b"new!" * 128)
    with disk.after_cut() as found:
        assert (found / name).read_bytes() == b"new!" * 128


def test_swept_files_stay_away(disk: CutDisk, esp: MountedEsp) -> None:
    put(disk.root / "FSCK0000.REC", OLD)
    disk.settle()
    esp.sweep()
    with disk.after_cut() as found:
        assert not (found / "FSCK0000.REC").exists()


def test_staged_firmware_is_on_the_medium_before_it_replaces_anything(disk: CutDisk) -> None:
    put(disk.root / "boot.scr", OLD)
    disk.settle()
    files = MountedFirmwareFiles(disk.root)
    files.stage("boot.scr", NEW)
    with disk.after_cut() as found:
        assert (found / "EFI/twinkeel-tmp/boot.scr").read_bytes() == NEW
        assert (found / "boot.scr").read_bytes() == OLD
    files.place(["boot.scr"])
    with disk.after_cut() as found:
        assert (found / "boot.scr").read_bytes() == NEW
        assert not (found / "EFI/twinkeel-tmp/boot.scr").exists()
