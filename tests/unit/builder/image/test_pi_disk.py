"""The disk of a Raspberry Pi: what its firmware sees, and what of it matters."""

import hashlib
import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.boot import pifirmware
from builder.image import bmap, disk, diskformats, diskmap, esp, fat, hybridmbr
from builder.image.diskmap import Range
from hostio.system.runner import Command
from osmodel import firmwarefiles, gpt, slotstate
from osmodel.faults import HostFailure, InvalidInput, UntrustedData
from osmodel.platforms import Platform
from tests.fakes.runner import ScriptedRunner
from tests.fakes.smallfat import DATA, small_fat

MIB = 1 << 20
HASH = "a1" * 16 + "b2" * 16
SHAPE = disk.DiskOptions("minimal", "arm64", 2 * MIB, 4 * MIB, platform=Platform.RASPBERRYPI)


def contents(tmp_path: Path) -> disk.DiskContents:
    (tmp_path / "esp").write_bytes(small_fat(3).ljust(2 * MIB, b"\0"))
    (tmp_path / "root").write_bytes(b"r" * MIB + bytes(MIB) + b"r" * MIB)
    (tmp_path / "verity").write_bytes(b"v" * 4096)
    return disk.DiskContents(tmp_path / "esp", tmp_path / "root", tmp_path / "verity", HASH)


def made(tmp_path: Path) -> tuple[Path, gpt.Gpt, disk.DiskContents]:
    filled = contents(tmp_path)
    table = disk.make_disk(filled, tmp_path / "disk", SHAPE)
    return tmp_path / "disk", table, filled


def test_firmware_without_gpt_sees_the_fat_partition_and_nothing_else(tmp_path: Path) -> None:
    image, table, _ = made(tmp_path)
    sector = image.read_bytes()[:512]
    entries = [struct.unpack_from("<B3sB3sII", sector, 446 + 16 * n) for n in range(4)]
    shown = table.find("esp")
    assert shown is not None
    assert [(entry[2], entry[4], entry[5]) for entry in entries] == [
        (0x0C, shown.first_lba, shown.sectors),
        (0xEE, 1, shown.first_lba - 1),
        (0, 0, 0),
        (0, 0, 0),
    ]
    assert sector[510:] == b"\x55\xaa"


def test_the_gpt_is_as_on_every_other_machine(tmp_path: Path) -> None:
    image, table, _ = made(tmp_path)
    data = image.read_bytes()
    read = gpt.parse(lambda at, length: data[at : at + length], 512, len(data) // 512)
    assert read == table


def test_other_machines_keep_the_protective_record(tmp_path: Path) -> None:
    plain = disk.DiskOptions("minimal", "arm64", 2 * MIB, 4 * MIB)
    table = disk.make_disk(contents(tmp_path), tmp_path / "disk", plain)
    assert (tmp_path / "disk").read_bytes()[:512] == gpt.encode_primary(table)[:512]


def test_a_partition_that_is_not_there_cannot_be_shown() -> None:
    with pytest.raises(InvalidInput, match="'boot' cannot be shown"):
        hybridmbr.hybrid_mbr(disk.disk_table(SHAPE, HASH), "boot", 1)


def test_everything_but_the_empty_slot_matters(tmp_path: Path) -> None:
    image, table, filled = made(tmp_path)
    starts = {p.label: p.first_lba * 512 for p in table.partitions}
    assert diskmap.used_ranges(table, filled) == [
        Range(0, MIB + DATA + 3 * 4096),
        Range(starts["root-a"], 3 * MIB),
        Range(starts["root-a-verity"], 4096),
        Range(starts["root-b-verity"] + MIB, MIB),
    ]
    assert image.stat().st_size == starts["root-b-verity"] + 2 * MIB


def test_what_is_not_fat_has_no_used_part(tmp_path: Path) -> None:
    (tmp_path / "esp").write_bytes(bytes(4096))
    with pytest.raises(InvalidInput, match="not a FAT32"):
        fat.used_bytes(tmp_path / "esp")


def test_parts_that_touch_become_one() -> None:
    parts = [Range(8192, 1), Range(0, 5000), Range(40960, 4096)]
    assert diskmap.merged(parts) == [Range(0, 12288), Range(40960, 4096)]


RANGES = st.lists(st.integers(1, 50), min_size=2, max_size=12).map(
    lambda steps: [Range(sum(steps[:n]) * 4096, 4096) for n in range(1, len(steps), 2)]
)


@given(RANGES, st.integers(0, 1 << 256))
def test_a_block_map_reads_back_as_it_was_written(ranges: list[Range], number: int) -> None:
    parts = tuple(bmap.Mapped(part, f"{number:064x}"[:64]) for part in diskmap.merged(ranges))
    whole = bmap.BlockMap(parts[-1].range.end + 8192, parts)
    assert bmap.parse(bmap.to_text(whole)) == whole


def test_a_block_map_has_the_checksums_of_holes_too(tmp_path: Path) -> None:
    image, table, filled = made(tmp_path)
    found = bmap.map_image(image, diskmap.used_ranges(table, filled))
    data = image.read_bytes()
    for part in found.parts:
        content = data[part.range.start : part.range.end]
        assert part.sha256 == hashlib.sha256(content).hexdigest()
    assert found.size == len(data)


def a_map() -> str:
    parts = (bmap.Mapped(Range(0, 8192), "ab" * 32), bmap.Mapped(Range(16384, 4096), "cd" * 32))
    return bmap.to_text(bmap.BlockMap(1 << 20, parts))


def signed(text: str) -> str:
    """The same map with a checksum that fits."""
    plain = re.sub(r"(<BmapFileChecksum> )[0-9a-f]{64}", r"\g<1>" + "0" * 64, text)
    return plain.replace("0" * 64, hashlib.sha256(plain.encode()).hexdigest(), 1)


def test_a_damaged_block_map_is_not_believed() -> None:
    with pytest.raises(UntrustedData, match="wrong checksum"):
        bmap.parse(a_map().replace("0-1", "0-2"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0-1 ", "0-9 ", "overlap or leave"),
        ("> 4 ", "> 400 ", "overlap or leave"),
        ("sha256 </ChecksumType>", "sha1 </ChecksumType>", "only SHA-256"),
        ("1048576", "many", "ImageSize: 'many' is not a number"),
        ('version="2.0"', 'version="1.3"', "not a block map of version 2"),
        ("BlockSize>", "Blocks>", "no BlockSize"),
    ],
)
def test_a_block_map_that_makes_no_sense_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        bmap.parse(signed(a_map().replace(old, new)))


def test_the_packed_image_is_the_same_every_time(tmp_path: Path) -> None:
    image, _, _ = made(tmp_path)
    for name in ("one", "two"):
        diskformats.compress(image, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def unpacking(leave_out: str = "") -> Callable[[Command], bytes]:
    files = [f"usr/lib/raspi-firmware/{name}" for name in pifirmware.BLOBS]
    files += ["usr/share/doc/raspi-firmware/copyright", "usr/lib/u-boot/rpi_arm64/u-boot.bin"]

    def unpack(command: Command) -> bytes:
        for name in files:
            if not name.endswith(leave_out or "/"):
                path = Path(command.argv[-1]) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(name)
        return b""

    return unpack


def wrapping(command: Command) -> bytes:
    Path(command.argv[-1]).write_bytes(b"script")
    return b""


def sources(tmp_path: Path) -> pifirmware.FirmwareSources:
    trees = tmp_path / "trees"
    trees.mkdir()
    for name in ("bcm2711-rpi-4-b.dtb", "bcm2837-rpi-3-b.dtb", "bcm958742k.dtb"):
        (trees / name).write_text(name)
    return pifirmware.FirmwareSources({"fw": Path("/fw.deb")}, {"fw": "1.2"}, trees, 7)


def test_the_firmware_files_lie_in_the_root_with_licence_and_listing(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    runner = ScriptedRunner(dpkg_deb=unpacking(), mkimage=wrapping)
    pifirmware.make_firmware(runner, sources(tmp_path), tmp_path / "out")
    place = tmp_path / "out/root/usr/lib/twinkeel/firmware/raspberrypi"
    assert sorted(path.name for path in place.iterdir()) == [
        "LICENCE.broadcom", "bcm2711-rpi-4-b.dtb", "bcm2837-rpi-3-b.dtb", "boot.scr",
        "bootcode.bin", "config.txt", "firmware.json", "fixup.dat", "fixup4.dat",
        "start.elf", "start4.elf", "u-boot.bin",
    ]  # fmt: skip
    listing = firmwarefiles.parse((place / "firmware.json").read_text())
    assert listing.packages == {"fw": "1.2"}
    assert listing.files["boot.scr"].size == len(b"script")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["root"]


@pytest.mark.parametrize("missing", ["start4.elf", "u-boot.bin", "copyright"])
def test_a_package_that_lacks_a_file_is_noticed(tmp_path: Path, missing: str) -> None:
    (tmp_path / "out").mkdir()
    runner = ScriptedRunner(dpkg_deb=unpacking(missing), mkimage=wrapping)
    with pytest.raises(HostFailure, match="lack"):
        pifirmware.make_firmware(runner, sources(tmp_path), tmp_path / "out")


def test_a_kernel_without_device_trees_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    wanted = sources(tmp_path)
    for tree in wanted.device_trees.iterdir():
        tree.unlink()
    runner = ScriptedRunner(dpkg_deb=unpacking(), mkimage=wrapping)
    with pytest.raises(HostFailure, match="no device trees"):
        pifirmware.make_firmware(runner, wanted, tmp_path / "out")


def test_the_board_starts_u_boot_with_a_console() -> None:
    assert set(pifirmware.CONFIG_TEXT.splitlines()) >= {
        "arm_64bit=1", "enable_uart=1", "upstream_kernel=1", "kernel=u-boot.bin",
    }  # fmt: skip


BOARD = esp.EspOptions("arm64", 300 * MIB, "twinkeel_a.efi", 1)


def test_the_fat_of_a_board_has_both_state_copies_and_no_uefi_loader(tmp_path: Path) -> None:
    for name in ("uki", "u-boot.bin"):
        (tmp_path / name).write_bytes(b"u")
    written: dict[str, bytes] = {}

    def copy(command: Command) -> bytes:
        written[command.argv[-1]] = Path(command.argv[-2]).read_bytes()
        return b""

    runner = ScriptedRunner(mkfs_vfat=b"", mmd=b"", mcopy=copy)
    files = {"u-boot.bin": tmp_path / "u-boot.bin"}
    esp.make_board_fat(runner, tmp_path / "uki", files, tmp_path / "esp", BOARD)
    assert list(written) == [
        "::/u-boot.bin", "::/slots0.env", "::/slots1.env", "::/EFI/Linux/twinkeel_a.efi",
    ]  # fmt: skip
    assert slotstate.parse(written["::/slots0.env"]) == slotstate.factory()
    assert written["::/slots0.env"] == written["::/slots1.env"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["esp", "u-boot.bin", "uki"]


def test_the_firmware_files_count_when_room_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "uki").write_bytes(b"u")
    with (tmp_path / "start.elf").open("wb") as file:
        file.truncate(293 * MIB)
    files = {"start.elf": tmp_path / "start.elf"}
    with pytest.raises(InvalidInput, match="cannot hold three kernel images"):
        esp.make_board_fat(ScriptedRunner(), tmp_path / "uki", files, tmp_path / "esp", BOARD)


def test_a_pair_is_replaced_together_and_the_script_last() -> None:
    names = ["boot.scr", "x.dtb", "start4.elf", "bootcode.bin", "fixup4.dat", "LICENCE.broadcom"]
    assert firmwarefiles.groups(names) == [
        ("LICENCE.broadcom",),
        ("bootcode.bin",),
        ("start4.elf", "fixup4.dat"),
        ("x.dtb",),
        ("boot.scr",),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"packages": {}}',
        '{"packages": {}, "files": {"../x": {"size": 1, "sha256": "' + "a" * 64 + '"}}}',
        '{"packages": {}, "files": {"x": {"size": -1, "sha256": "' + "a" * 64 + '"}}}',
        '{"packages": {}, "files": {"x": {"size": 1, "sha256": "abc"}}}',
    ],
)
def test_a_listing_that_names_nonsense_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="not a listing"):
        firmwarefiles.parse(text)
