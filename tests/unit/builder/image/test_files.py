"""Root image, hash tree, kernel image, ESP and disk: what is asked of which tool."""

from pathlib import Path

import pytest

from builder.boot import uki
from builder.image import disk, diskformats, erofs, esp, fat, hashtree
from hostio.system.runner import Command
from osmodel import gpt, partitions, verity
from osmodel.faults import HostFailure, InvalidInput
from osmodel.platforms import Platform
from tests.fakes.runner import ScriptedRunner
from tests.unit.osmodel.test_uki import image as kernel_image

MIB = 1 << 20
HASH = "a1" * 16 + "b2" * 16
UUID = "11111111-2222-8333-8444-555555555555"


def test_a_root_image_is_the_same_for_the_same_tree() -> None:
    command = erofs.erofs_command(Path("/tree"), Path("/out"), UUID, 7)
    assert list(command.argv) == [
        "mkfs.erofs", "--quiet", "-b4096", "-T7", "--all-time", f"-U{UUID}", "/out", "/tree",
    ]  # fmt: skip


def made_by(runner: ScriptedRunner, place: Path) -> list[str]:
    """The UUIDs that mkfs.erofs was asked for."""
    erofs.make_erofs(runner, place, place / "root")
    (place / "root").unlink()
    return [command.argv[5] for command in runner.commands]


def writes(content: bytes) -> ScriptedRunner:
    def write(command: Command) -> bytes:
        Path(command.argv[-2]).write_bytes(content)
        return b""

    return ScriptedRunner(mkfs_erofs=write)


def test_a_root_image_tells_its_size(tmp_path: Path) -> None:
    assert erofs.make_erofs(writes(bytes(8192)), tmp_path, tmp_path / "root") == 8192


def test_the_uuid_of_a_root_image_follows_from_its_content(tmp_path: Path) -> None:
    (nothing, one), (_, again), (_, other) = (
        made_by(writes(content), tmp_path) for content in (b"1" * 4096, b"1" * 4096, b"2" * 4096)
    )
    assert one == again
    assert len({nothing, one, other}) == 3


def test_the_hash_tree_covers_the_image_alone(tmp_path: Path) -> None:
    (tmp_path / "root").write_bytes(b"x" * 3 * MIB)
    root_hash = hashtree.make_hash_tree(tmp_path / "root", "minimal", tmp_path / "verity")
    written = (tmp_path / "verity").read_bytes()
    assert verity.parse_superblock(written) == verity.superblock_for("minimal", 768)
    assert len(written) == verity.hash_device_size(768)
    assert len(root_hash) == 64


@pytest.mark.parametrize("size", [0, 100, 4097])
def test_a_hash_tree_needs_whole_blocks(tmp_path: Path, size: int) -> None:
    (tmp_path / "root").write_bytes(bytes(size))
    with pytest.raises(InvalidInput, match="not whole blocks of 4096"):
        hashtree.make_hash_tree(tmp_path / "root", "minimal", tmp_path / "verity")


def test_the_command_line_restarts_whatever_goes_wrong() -> None:
    line = uki.command_line(uki.UkiOptions("x86_64", "6.12", HASH, ("extra=1",)))
    assert line == (
        f"roothash={HASH} ro gpt panic=10 oops=panic systemd.gpt_auto=no "
        "systemd.crash_action=reboot systemd.default_device_timeout_sec=120 console=tty0 "
        "console=ttyS0,115200 quiet loglevel=4 systemd.show_status=auto extra=1"
    )


def test_a_command_line_without_root_hash_is_refused() -> None:
    with pytest.raises(InvalidInput, match="64 hex digits"):
        uki.command_line(uki.UkiOptions("x86_64", "6.12", "12"))


def test_a_board_names_its_console_itself() -> None:
    options = uki.UkiOptions("arm64", "6.12", HASH, platform=Platform.RASPBERRYPI)
    assert "console=" not in uki.command_line(options)
    assert "panic=10" in uki.command_line(options)


def test_a_kernel_image_is_joined_by_ukify() -> None:
    options = uki.UkiOptions("arm64", "6.12", HASH)
    parts = uki.UkiParts(Path("/s"), Path("/k"), Path("/i"), Path("/r"))
    command = uki.uki_command(parts, Path("/o"), options)
    assert list(command.argv) == [
        "ukify", "build", "--linux=/k", "--initrd=/i",
        f"--cmdline={uki.command_line(options)}", "--os-release=@/r", "--uname=6.12",
        "--efi-arch=aa64", "--stub=/s", "--output=/o",
    ]  # fmt: skip


def making(root_hash: str) -> ScriptedRunner:
    sections = {
        ".osrel": b"IMAGE_ID=minimal\nIMAGE_VERSION=1.0\n",
        ".cmdline": f"roothash={root_hash}".encode(),
        ".linux": b"k",
        ".initrd": b"i",
    }

    def write(command: Command) -> bytes:
        out = command.argv[-1].removeprefix("--output=")
        Path(out).write_bytes(kernel_image(sections))
        return b""

    return ScriptedRunner(ukify=write)


def test_a_kernel_image_is_read_back(tmp_path: Path) -> None:
    parts, options = uki.UkiParts(*(tmp_path,) * 4), uki.UkiOptions("x86_64", "6.12", HASH)
    made = uki.make_uki(making(HASH), parts, tmp_path / "uki", options)
    assert (made.image, made.version, made.root_hash) == ("minimal", "1.0", HASH)


def test_a_kernel_image_for_another_root_is_noticed(tmp_path: Path) -> None:
    parts, options = uki.UkiParts(*(tmp_path,) * 4), uki.UkiOptions("x86_64", "6.12", HASH)
    with pytest.raises(HostFailure, match="names root cdcd"):
        uki.make_uki(making("cd" * 32), parts, tmp_path / "uki", options)


ESP = esp.EspOptions("x86_64", 300 * MIB, "twinkeel_1.0+3-0.efi", 0x1234, 315_532_800)


def test_an_esp_has_clusters_of_4_kib_and_nothing_of_the_day() -> None:
    commands = fat.fill_commands({"EFI/Linux/a.efi": Path("/a")}, Path("/o"), 0x1234, 315_532_800)
    assert [list(command.argv) for command in commands] == [
        [
            "mkfs.vfat", "--invariant", "-F", "32", "-S", "512", "-s", "8", "-i", "00001234",
            "-n", "ESP", "/o",
        ],
        ["mmd", "-i", "/o", "::/EFI", "::/EFI/Linux"],
        ["mcopy", "-i", "/o", "/a", "::/EFI/Linux/a.efi"],
    ]  # fmt: skip
    assert {command.env["SOURCE_DATE_EPOCH"] for command in commands} == {"315532800"}


def test_an_esp_holds_the_loader_in_both_places(tmp_path: Path) -> None:
    (tmp_path / "uki").write_bytes(b"u")
    runner = ScriptedRunner(mkfs_vfat=b"", mmd=b"", mcopy=b"")
    esp.make_esp(runner, tmp_path / "uki", tmp_path / "boot", tmp_path / "esp", ESP)
    copied = [command.argv[-1] for command in runner.commands if command.argv[0] == "mcopy"]
    assert copied == [
        "::/EFI/Linux/twinkeel_1.0+3-0.efi",
        "::/EFI/BOOT/BOOTX64.EFI",
        "::/EFI/systemd/systemd-bootx64.efi",
        "::/loader/loader.conf",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["esp", "uki"]
    assert (tmp_path / "esp").stat().st_size == ESP.size


@pytest.mark.parametrize(
    ("size", "kernel"), [(100 * MIB, 1), (300 * MIB, 98 * MIB), (300 * MIB + 1, 1)]
)
def test_an_esp_without_room_for_three_kernel_images_is_refused(
    tmp_path: Path, size: int, kernel: int
) -> None:
    with (tmp_path / "uki").open("wb") as file:
        file.truncate(kernel)
    options = esp.EspOptions("x86_64", size, "twinkeel_1.0.efi", 1)
    with pytest.raises(InvalidInput, match="cannot hold three kernel images"):
        esp.make_esp(ScriptedRunner(), tmp_path / "uki", tmp_path, tmp_path / "esp", options)


def test_no_loader_entry_beats_the_counters() -> None:
    assert "default" not in esp.LOADER_CONF
    assert "timeout 0\n" in esp.LOADER_CONF
    assert "reboot-on-error auto\n" in esp.LOADER_CONF


SHAPE = disk.DiskOptions("minimal", "x86_64", 2 * MIB, 4 * MIB)


def test_a_new_disk_has_two_slots_and_no_state() -> None:
    table = disk.disk_table(SHAPE, HASH)
    assert [p.label for p in table.partitions] == [
        "esp", "root-a", "root-a-verity", "root-b", "root-b-verity",
    ]  # fmt: skip
    assert [p.sectors * 512 // MIB for p in table.partitions] == [2, 4, 1, 4, 1]
    assert all(p.first_lba % 2048 == 0 for p in table.partitions)


def test_the_filled_slot_carries_the_root_hash_and_the_other_does_not() -> None:
    guids = {p.label: p.guid for p in disk.disk_table(SHAPE, HASH).partitions}
    assert (guids["root-a"], guids["root-a-verity"]) == partitions.slot_guids(HASH)
    assert len(set(guids.values())) == 5


def test_the_tree_of_the_largest_root_fits_beside_it() -> None:
    shape = disk.DiskOptions("minimal", "x86_64", MIB, 1024 * MIB)
    assert shape.tree_size == 9 * MIB
    assert disk.DiskOptions("minimal", "x86_64", MIB, MIB, 7 * MIB).tree_size == 7 * MIB


def contents(tmp_path: Path, **sizes: int) -> disk.DiskContents:
    for name, size in {"esp": 2 * MIB, "root": 3 * MIB, "verity": 4096, **sizes}.items():
        (tmp_path / name).write_bytes(name.encode() * (size // len(name)))
    return disk.DiskContents(tmp_path / "esp", tmp_path / "root", tmp_path / "verity", HASH)


def table_of(data: bytes) -> gpt.Gpt:
    return gpt.parse(lambda at, length: data[at : at + length], 512, len(data) // 512)


def test_a_disk_reads_back_as_it_was_written(tmp_path: Path) -> None:
    table = disk.make_disk(contents(tmp_path), tmp_path / "disk", SHAPE)
    data = (tmp_path / "disk").read_bytes()
    assert len(data) == table.total_sectors * 512
    assert table_of(data) == table
    assert table_of(bytes(4096) + data[4096:]) == table
    root = table.find("root-a")
    assert root is not None
    assert data[root.first_lba * 512 :].startswith((tmp_path / "root").read_bytes())


def test_the_same_contents_make_the_same_disk(tmp_path: Path) -> None:
    for name in ("one", "two"):
        disk.make_disk(contents(tmp_path), tmp_path / name, SHAPE)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_what_is_empty_takes_no_room(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(bytes(4 * MIB))
    filled = contents(tmp_path)
    filled = disk.DiskContents(filled.esp, tmp_path / "empty", filled.verity, HASH)
    disk.make_disk(filled, tmp_path / "disk", SHAPE)
    assert (tmp_path / "disk").stat().st_blocks * 512 < 3 * MIB


def test_a_root_larger_than_its_slot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"root has 5242880 bytes; partition root-a has 4194304"):
        disk.make_disk(contents(tmp_path, root=5 * MIB), tmp_path / "disk", SHAPE)


@pytest.mark.parametrize("size", [0, 1000, MIB + 1])
def test_sizes_are_whole_mib(size: int) -> None:
    with pytest.raises(InvalidInput, match="not whole MiB"):
        disk.disk_table(disk.DiskOptions("minimal", "x86_64", size, MIB), HASH)


def test_qcow2_is_written_in_the_order_of_the_disk() -> None:
    command = diskformats.qcow2_command(Path("/d"), Path("/o"))
    assert list(command.argv) == [
        "qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", "-m", "1",
        "-o", "compat=1.1,cluster_size=65536", "/d", "/o",
    ]  # fmt: skip
