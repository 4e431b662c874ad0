"""A board's own firmware files: compared, replaced on request, cut at every moment."""

import contextlib
import hashlib
import io
import json
from pathlib import Path

import pytest

from hostio.disk.firmwarefiles import MountedFirmwareFiles
from osmodel import firmwarefiles
from osmodel.faults import HostFailure, InvalidInput
from osmodel.firmwarefiles import File, Listing
from tests.fakes.ramdisk import Power, PowerCut
from tests.fakes.ramfirmwarefiles import RamFirmwareFiles
from tests.fakes.ramsystem import RamSystem, factory_media
from update_engine import cli
from update_engine.firmware import Condition, Firmware, outdated
from update_engine.settings import Configuration, Settings

NAMES = (
    "LICENCE.broadcom", "bcm2711-rpi-4-b.dtb", "boot.scr", "bootcode.bin", "config.txt",
    "fixup4.dat", "start4.elf", "u-boot.bin",
)  # fmt: skip


def contents(age: str) -> dict[str, bytes]:
    return {name: f"{age} {name}".encode() * 100 for name in NAMES}


OLD, NEW = contents("old"), contents("new")


def listing_of(files: dict[str, bytes], version: str) -> bytes:
    rows = {name: File(len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()}
    return json.dumps(firmwarefiles.to_json(Listing({"raspi-firmware": version}, rows))).encode()


def image(root: Path, files: dict[str, bytes] = NEW) -> Path:
    root.mkdir(exist_ok=True)
    for name, data in files.items():
        (root / name).write_bytes(data)
    (root / "firmware.json").write_bytes(listing_of(files, "2"))
    return root


def board(**changes: bytes) -> RamFirmwareFiles:
    files = {**OLD, "firmware.json": listing_of(OLD, "1"), "slots0.env": b"state"}
    return RamFirmwareFiles(
        {**files, **{name.replace("__", "."): v for name, v in changes.items()}}
    )


def firmware(tmp_path: Path, on_board: RamFirmwareFiles) -> Firmware:
    return Firmware(image(tmp_path / "home"), on_board.mounted)


def untold(_name: str) -> None:
    """Nobody listens."""


def test_the_board_is_compared_file_by_file(tmp_path: Path) -> None:
    there = board(boot__scr=NEW["boot.scr"])
    del there.files["u-boot.bin"]
    status = firmware(tmp_path, there).status()
    assert status.files["boot.scr"] is Condition.CURRENT
    assert status.files["u-boot.bin"] is Condition.MISSING
    assert status.files["start4.elf"] is Condition.DIFFERENT
    assert (status.packages, status.on_board) == ({"raspi-firmware": "2"}, {"raspi-firmware": "1"})
    assert not status.is_current


def test_looking_changes_nothing(tmp_path: Path) -> None:
    there = board()
    before = dict(there.files)
    firmware(tmp_path, there).status()
    assert there.files == before


def test_an_update_replaces_everything_but_what_people_edit(tmp_path: Path) -> None:
    there = board()
    told: list[str] = []
    status = firmware(tmp_path, there).update([], told.append)
    assert told == [
        "LICENCE.broadcom", "bootcode.bin", "start4.elf", "fixup4.dat",
        "bcm2711-rpi-4-b.dtb", "u-boot.bin", "boot.scr",
    ]  # fmt: skip
    assert there.files["config.txt"] == OLD["config.txt"]
    assert there.files["slots0.env"] == b"state"
    assert there.replaced[-1] == "firmware.json"
    assert status.is_current
    assert status.files["config.txt"] is Condition.DIFFERENT


def test_a_second_update_writes_nothing(tmp_path: Path) -> None:
    there = board()
    ours = firmware(tmp_path, there)
    ours.update([], untold)
    there.replaced.clear()
    ours.update([], untold)
    assert there.replaced == []


def test_an_edited_file_is_replaced_by_name(tmp_path: Path) -> None:
    there = board()
    firmware(tmp_path, there).update(["config.txt"], untold)
    assert there.replaced == ["config.txt"]


def test_half_of_a_pair_takes_the_other_half_along(tmp_path: Path) -> None:
    there = board()
    firmware(tmp_path, there).update(["fixup4.dat"], untold)
    assert there.replaced == ["start4.elf", "fixup4.dat"]


def test_the_listing_stays_until_all_files_are_there(tmp_path: Path) -> None:
    there = board()
    status = firmware(tmp_path, there).update(["boot.scr"], untold)
    assert there.files["firmware.json"] == listing_of(OLD, "1")
    assert "boot.scr" not in outdated(status)


def test_a_damaged_listing_on_the_board_is_no_obstacle(tmp_path: Path) -> None:
    there = board(firmware__json=b"\xff{")
    ours = firmware(tmp_path, there)
    assert ours.status().on_board == {}
    assert ours.update([], untold).on_board == {"raspi-firmware": "2"}


def test_an_unknown_file_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    there = board()
    with pytest.raises(InvalidInput, match=r"no firmware file 'slots0\.env'"):
        firmware(tmp_path, there).update(["boot.scr", "slots0.env"], untold)
    assert there.replaced == []


def test_too_little_room_leaves_the_old_files(tmp_path: Path) -> None:
    there = RamFirmwareFiles(OLD, capacity=(4 << 20) + 8000)
    with pytest.raises(HostFailure, match="are free, replacing"):
        firmware(tmp_path, there).update([], untold)
    assert there.files == OLD


def test_what_reads_back_differently_is_never_placed(tmp_path: Path) -> None:
    there = RamFirmwareFiles(OLD, loses="u-boot.bin")
    with pytest.raises(HostFailure, match=r"u-boot\.bin reads back differently"):
        firmware(tmp_path, there).update([], untold)
    assert there.files["u-boot.bin"] == OLD["u-boot.bin"]


def test_a_root_that_disagrees_with_its_listing_is_not_used(tmp_path: Path) -> None:
    there = board()
    ours = firmware(tmp_path, there)
    (ours.home / "boot.scr").write_bytes(b"damaged")
    with pytest.raises(HostFailure, match="not what the image's listing says"):
        ours.update(["boot.scr"], untold)
    assert there.files["boot.scr"] == OLD["boot.scr"]


def test_other_machines_have_no_firmware_of_ours(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not come from its image"):
        Firmware(tmp_path, board().mounted).status()


def mismatched(files: dict[str, bytes]) -> bool:
    return (files["start4.elf"] == NEW["start4.elf"]) != (files["fixup4.dat"] == NEW["fixup4.dat"])


@pytest.mark.parametrize("cut_at", range(18))
def test_a_cut_leaves_every_file_old_or_new_and_the_next_run_goes_on(
    tmp_path: Path, cut_at: int
) -> None:
    there = RamFirmwareFiles(OLD, power=Power(cut_at))
    home = image(tmp_path / "home")
    with contextlib.suppress(PowerCut):
        Firmware(home, there.mounted).update([], untold)
    for name in NAMES:
        assert there.files[name] in (OLD[name], NEW[name])
    if "firmware.json" in there.files:
        assert Firmware(home, there.mounted).status().is_current
    after = RamFirmwareFiles(there.files)
    assert Firmware(home, after.mounted).update([], untold).is_current


def test_a_pair_is_mismatched_for_the_one_moment_that_is_documented(tmp_path: Path) -> None:
    home = image(tmp_path / "home")
    moments = 0
    for cut_at in range(18):
        there = RamFirmwareFiles(OLD, power=Power(cut_at))
        try:
            Firmware(home, there.mounted).update([], untold)
        except PowerCut:
            moments += mismatched(there.files)
    assert moments == 1


def test_a_real_directory_takes_the_files(tmp_path: Path) -> None:
    fat = tmp_path / "fat"
    fat.mkdir()
    for name, data in OLD.items():
        (fat / name).write_bytes(data)
    (fat / "FSCK0000.REC").write_bytes(b"lost")
    ours = Firmware(image(tmp_path / "home"), lambda: _Mounted(fat))
    assert ours.update([], untold).is_current
    assert (fat / "boot.scr").read_bytes() == NEW["boot.scr"]
    assert not (fat / "FSCK0000.REC").exists()
    assert not list((fat / "EFI/twinkeel-tmp").iterdir())


class _Mounted:
    """A directory that is mounted already."""

    def __init__(self, root: Path) -> None:
        self._files = MountedFirmwareFiles(root)

    def __enter__(self) -> MountedFirmwareFiles:
        return self._files

    def __exit__(self, *_: object) -> None:
        return None


def test_faults_of_the_medium_are_told_by_name(tmp_path: Path) -> None:
    files = MountedFirmwareFiles(tmp_path)
    with pytest.raises(HostFailure, match=r"firmware files: read boot\.scr: No such file"):
        files.read("boot.scr")
    with pytest.raises(HostFailure, match=r"replace boot\.scr: No such file"):
        files.place(["boot.scr"])


PLAIN = Configuration(Settings(), {})


def ctl(tmp_path: Path, there: RamFirmwareFiles, *arguments: str) -> tuple[int, str]:
    system = RamSystem(factory_media())
    system.firmware = firmware(tmp_path, there)
    out = io.StringIO()
    status = cli.run(["firmware", *arguments], system.world, PLAIN, out)
    return status, out.getvalue()


def test_the_command_lists_versions_and_files(tmp_path: Path) -> None:
    status, text = ctl(tmp_path, board(), "status")
    assert status == 0
    assert "raspi-firmware       image 2, board 1\n" in text
    assert "start4.elf           different\n" in text


def test_the_command_speaks_json(tmp_path: Path) -> None:
    status, text = ctl(tmp_path, board(), "update", "--json")
    assert status == 0
    assert json.loads(text)["current"] is True


def test_the_command_takes_no_files_to_look(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ctl(tmp_path, board(), "status", "boot.scr")[0] == 2
    assert "takes no files" in capsys.readouterr().err


def test_a_machine_without_boot_files_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    world = RamSystem(factory_media()).world
    assert cli.run(["firmware", "status"], world, PLAIN) == 2
    assert "Raspberry Pi" in capsys.readouterr().err
