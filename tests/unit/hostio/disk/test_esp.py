"""The ESP port: one contract for the real directory and the one in memory."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hostio.disk.esp import Esp, MountedEsp, mounted_esp
from hostio.system.runner import Command
from osmodel.faults import HostFailure
from tests.fakes.ramesp import RamEsp
from tests.fakes.runner import ScriptedRunner, failing

Maker = Callable[[dict[str, bytes]], Esp]
OLD = "twinkeel_1.0.0.efi"
NEW = "twinkeel_1.0.1+3-0.efi"


@pytest.fixture(params=["directory", "memory"])
def esp(request: pytest.FixtureRequest, tmp_path: Path) -> Maker:
    def on_disk(files: dict[str, bytes]) -> Esp:
        entries = tmp_path / "EFI/Linux"
        entries.mkdir(parents=True)
        for name, content in files.items():
            (entries / name).write_bytes(content)
        return MountedEsp(tmp_path)

    return on_disk if request.param == "directory" else RamEsp


def test_entries_are_listed_in_order(esp: Maker) -> None:
    assert esp({NEW: b"", OLD: b""}).names() == sorted([OLD, NEW])


def test_part_of_an_entry_can_be_read(esp: Maker) -> None:
    entry = esp({OLD: b"0123456789"})
    assert entry.size(OLD) == 10
    assert entry.read(OLD, 3, 4) == b"3456"
    assert entry.read(OLD, 8, 4) == b"89"


def test_a_placed_file_is_an_entry_with_the_bytes_written(esp: Maker) -> None:
    medium = esp({OLD: b"old"})
    staged = medium.stage()
    staged.write(b"new ")
    staged.write(b"kernel")
    staged.close()
    assert medium.names() == [OLD]
    assert staged.size == 10
    assert staged.read(4, 100) == b"kernel"
    staged.place(NEW)
    assert medium.read(NEW, 0, 100) == b"new kernel"


def test_placing_never_replaces_an_entry(esp: Maker) -> None:
    medium = esp({OLD: b"old"})
    staged = medium.stage()
    staged.close()
    with pytest.raises(HostFailure, match="already there"):
        staged.place(OLD)
    assert medium.read(OLD, 0, 9) == b"old"


def test_renaming_never_replaces_an_entry(esp: Maker) -> None:
    medium = esp({OLD: b"old", NEW: b"new"})
    with pytest.raises(HostFailure, match="already there"):
        medium.rename(NEW, OLD)
    medium.rename(NEW, "twinkeel_1.0.1.efi")
    assert medium.names() == [OLD, "twinkeel_1.0.1.efi"]


def test_removing_what_is_gone_is_no_fault(esp: Maker) -> None:
    medium = esp({OLD: b"old"})
    medium.remove(OLD)
    medium.remove(OLD)
    assert medium.names() == []


def test_a_missing_entry_is_a_host_failure(esp: Maker) -> None:
    medium = esp({})
    with pytest.raises(HostFailure, match=NEW.replace("+", r"\+")):
        medium.size(NEW)
    with pytest.raises(HostFailure):
        medium.rename(NEW, OLD)


def test_an_abandoned_file_makes_room_for_the_next(esp: Maker) -> None:
    medium = esp({})
    medium.stage().write(b"first")
    staged = medium.stage()
    staged.write(b"second")
    staged.close()
    assert staged.read(0, 10) == b"second"
    staged.discard()
    staged.discard()
    medium.sweep()
    assert medium.names() == []


def test_free_space_is_counted_in_bytes(esp: Maker) -> None:
    assert esp({}).free_bytes() > 4096


def test_an_empty_esp_has_no_entries(tmp_path: Path) -> None:
    assert MountedEsp(tmp_path).names() == []
    MountedEsp(tmp_path).remove(OLD)


def test_sweeping_removes_what_fsck_recovered(tmp_path: Path) -> None:
    esp = MountedEsp(tmp_path)
    esp.stage().write(b"half")
    (tmp_path / "FSCK0000.REC").write_bytes(b"lost")
    (tmp_path / "loader.conf").write_bytes(b"kept")
    esp.sweep()
    assert not list((tmp_path / "EFI/twinkeel-tmp").iterdir())
    assert not (tmp_path / "FSCK0000.REC").exists()
    assert (tmp_path / "loader.conf").exists()


@pytest.mark.parametrize(
    "kind", ["directory", "full directory", "file in the place of the directory"]
)
def test_whatever_lies_in_the_staging_directory_blocks_no_update(tmp_path: Path, kind: str) -> None:
    staging = tmp_path / "EFI/twinkeel-tmp"
    if kind.startswith("file"):
        staging.parent.mkdir()
        staging.write_bytes(b"rot")
    else:
        (staging / "uki.tmp").mkdir(parents=True)
        (tmp_path / "FSCK0000.REC").mkdir()
    if kind == "full directory":
        (staging / "uki.tmp/file").write_bytes(b"rot")
    esp = MountedEsp(tmp_path)
    esp.sweep()
    staged = esp.stage()
    staged.write(b"new")
    staged.close()
    staged.place("twinkeel_1.0.efi")
    assert esp.names() == ["twinkeel_1.0.efi"]


@pytest.mark.parametrize("name", ["uki.tmp", "other"])
def test_a_directory_in_the_way_is_taken_away(tmp_path: Path, name: str) -> None:
    (tmp_path / "EFI/twinkeel-tmp" / name / "deep").mkdir(parents=True)
    (tmp_path / "FSCK0000.REC").mkdir()
    esp = MountedEsp(tmp_path)
    staged = esp.stage()
    staged.write(b"new")
    staged.close()
    assert staged.read(0, 9) == b"new"
    esp.sweep()
    assert not list((tmp_path / "EFI/twinkeel-tmp").iterdir())
    assert not (tmp_path / "FSCK0000.REC").exists()


def test_nothing_on_the_partition_is_a_device_or_a_program(tmp_path: Path) -> None:
    runner = ScriptedRunner(fsck_vfat=b"", mount=b"", umount=b"")
    with mounted_esp(runner, Path("/dev/vda1"), tmp_path / "esp"):
        pass
    argv = list(runner.commands[1].argv)
    options = argv[argv.index("-o") + 1].split(",")
    assert {"nosuid", "nodev", "noexec", "umask=0077"} <= set(options)


def test_the_partition_is_checked_mounted_and_unmounted(tmp_path: Path) -> None:
    runner = ScriptedRunner(fsck_vfat=b"", mount=b"", umount=b"")
    with mounted_esp(runner, Path("/dev/vda1"), tmp_path / "esp") as esp:
        assert esp.names() == []
    assert [command.argv[0] for command in runner.commands] == ["fsck.vfat", "mount", "umount"]


def test_the_partition_is_unmounted_after_a_failure(tmp_path: Path) -> None:
    runner = ScriptedRunner(fsck_vfat=b"", mount=b"", umount=b"")
    with (
        pytest.raises(HostFailure),
        mounted_esp(runner, Path("/dev/vda1"), tmp_path / "esp") as esp,
    ):
        esp.size("nothing")
    assert runner.commands[-1].argv[0] == "umount"


def test_a_mount_left_by_a_killed_program_is_given_up_first() -> None:
    runner = ScriptedRunner(fsck_vfat=b"", mount=b"", umount=b"")
    with mounted_esp(runner, Path("/dev/vda1"), Path("/proc")):
        pass
    programs = [command.argv[0] for command in runner.commands]
    assert programs == ["umount", "fsck.vfat", "mount", "umount"]


def test_a_repaired_file_system_is_mounted(tmp_path: Path) -> None:
    exits = [1, 0]

    def fsck(command: Command) -> bytes:
        return failing("exit 1: fsck.vfat")(command) if exits.pop(0) else b""

    runner = ScriptedRunner(fsck_vfat=fsck, mount=b"", umount=b"")
    with mounted_esp(runner, Path("/dev/vda1"), tmp_path / "esp"):
        pass
    assert len(runner.commands) == 4


def test_a_file_system_beyond_repair_is_not_mounted(tmp_path: Path) -> None:
    runner = ScriptedRunner(fsck_vfat=failing("exit 1: fsck.vfat"))
    with (
        pytest.raises(HostFailure, match=r"fsck\.vfat"),
        mounted_esp(runner, Path("/dev/vda1"), tmp_path / "esp"),
    ):
        pass
