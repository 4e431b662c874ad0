"""What we write, read by the tools of others; and the same bytes every time."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.boot import initrd, uki
from builder.elf import needed
from builder.image import disk, diskformats, erofs, esp, hashtree
from builder.tree import programs
from hostio.system.runner import Command, LocalRunner, Runner
from osmodel import cpio, gpt, partitions, verity
from osmodel.faults import HostFailure
from tests.checkout import ROOT
from tests.interop.pinnedtools import tools_tree

pytestmark = [pytest.mark.interop, pytest.mark.root]

MIB = 1 << 20
HASH = "a1" * 16 + "b2" * 16
UUID = "11111111-2222-8333-8444-555555555555"
REPART = ROOT / "images/minimal/overlay/usr/lib/twinkeel/repart.d"
Twice = Callable[[Callable[[Path], object]], Path]


@pytest.fixture
def tools(tmp_path: Path) -> Runner:
    return tools_tree().runner([tmp_path, REPART])


@pytest.fixture
def twice(tmp_path: Path) -> Twice:
    def make(write: Callable[[Path], object]) -> Path:
        one, two = tmp_path / "one", tmp_path / "two"
        write(one)
        write(two)
        assert one.read_bytes() == two.read_bytes()
        return one

    return make


def read_table(path: Path) -> gpt.Gpt:
    data = path.read_bytes()
    return gpt.parse(lambda at, length: data[at : at + length], 512, len(data) // 512)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    for name, size in {"esp": 2, "root": 3, "verity": 1}.items():
        (tmp_path / name).write_bytes(name.encode() * (size * MIB // 8))
    parts = disk.DiskContents(tmp_path / "esp", tmp_path / "root", tmp_path / "verity", HASH)
    shape = disk.DiskOptions("minimal", "x86_64", 2 * MIB, 4 * MIB)
    disk.make_disk(parts, tmp_path / "disk", shape)
    return tmp_path / "disk"


def test_sfdisk_reads_our_table_and_finds_no_fault(tools: Runner, image: Path) -> None:
    said = tools.run(Command(["sfdisk", "--verify", str(image)])).decode()
    assert "No errors detected" in said
    seen = json.loads(tools.run(Command(["sfdisk", "--json", str(image)])))["partitiontable"]
    table = read_table(image)
    assert seen["id"].lower() == table.disk_guid
    found = [
        (p["name"], p["start"], p["size"], p["uuid"].lower(), p["type"].lower())
        for p in seen["partitions"]
    ]
    assert found == [
        (p.label, p.first_lba, p.sectors, p.guid, p.type_guid) for p in table.partitions
    ]


def test_we_read_the_table_that_sfdisk_writes(tools: Runner, image: Path) -> None:
    wanted = partitions.derived_guid("changed")
    tools.run(Command(["sfdisk", "--quiet", "--part-uuid", str(image), "4", wanted]))
    found = read_table(image).find("root-b")
    assert found is not None
    assert found.guid == wanted


def test_sfdisk_falls_back_to_our_backup(tools: Runner, image: Path) -> None:
    with image.open("r+b") as file:
        file.seek(512)
        file.write(bytes(512))
    seen = json.loads(tools.run(Command(["sfdisk", "--json", str(image)])))["partitiontable"]
    assert [p["name"] for p in seen["partitions"]][1] == "root-a"


def test_repart_makes_and_grows_the_state_partition(tools: Runner, image: Path) -> None:
    argv = ["systemd-repart", "--dry-run=no", "--empty=refuse", "--seed=random", "--offline=yes"]
    argv += [f"--definitions={REPART}", "--no-pager", str(image)]
    sizes = []
    for size in (300 * MIB, 600 * MIB):
        with image.open("r+b") as file:
            file.truncate(size)
        tools.run(Command(argv))
        state = read_table(image).find("state")
        assert state is not None
        assert (state.number, state.type_guid) == (6, partitions.STATE_TYPE)
        sizes.append(state.sectors * 512)
    assert sizes[0] > 280 * MIB
    assert sizes[1] - sizes[0] == 300 * MIB


@pytest.mark.parametrize("blocks", [1, 2, 127, 128, 129, 300, 128 * 128 + 1])
def test_our_hash_tree_is_veritysetups(tools: Runner, tmp_path: Path, blocks: int) -> None:
    data, ours, theirs = (tmp_path / name for name in ("data", "ours", "theirs"))
    with data.open("wb") as file:
        for number in range(blocks):
            file.write(number.to_bytes(8, "big") * 512)
    root_hash = hashtree.make_hash_tree(data, "minimal", ours)
    superblock = verity.superblock_for("minimal", blocks)
    argv = ["veritysetup", "format", f"--salt={superblock.salt.hex()}"]
    argv += [f"--uuid={UUID}", str(data), str(theirs)]
    said = tools.run(Command(argv)).decode()
    assert root_hash in said
    with_their_uuid = superblock._replace(uuid=bytes.fromhex(UUID.replace("-", ""))).encode()
    # A header has no tail of zeros where no tree follows it.
    assert theirs.read_bytes().ljust(verity.BLOCK, b"\0") == (
        with_their_uuid + ours.read_bytes()[verity.BLOCK :]
    )
    tools.run(Command(["veritysetup", "verify", str(data), str(ours), root_hash]))


def test_veritysetup_finds_a_wrong_block(tools: Runner, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(bytes(4096 * 200))
    root_hash = hashtree.make_hash_tree(tmp_path / "data", "minimal", tmp_path / "tree")
    (tmp_path / "data").write_bytes(bytes(4096 * 199) + b"x" * 4096)
    argv = ["veritysetup", "verify", str(tmp_path / "data"), str(tmp_path / "tree"), root_hash]
    with pytest.raises(HostFailure):
        tools.run(Command(argv))


def test_a_root_image_keeps_modes_and_repeats(tools: Runner, tmp_path: Path, twice: Twice) -> None:
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/secret").write_text("x")
    (tree / "etc/secret").chmod(0o640)
    (tree / "link").symlink_to("etc/secret")
    made = twice(lambda out: erofs.make_erofs(tools, tree, out))
    tools.run(Command(["fsck.erofs", str(made)]))
    said = tools.run(Command(["dump.erofs", "--path=/etc/secret", str(made)])).decode()
    assert "0640" in said
    assert "1970-01-01" in said


def test_an_esp_is_sound_and_repeats(tools: Runner, tmp_path: Path, twice: Twice) -> None:
    (tmp_path / "uki").write_bytes(b"kernel" * 100_000)
    (tmp_path / "loader").write_bytes(b"loader" * 1000)
    options = esp.EspOptions("x86_64", 300 * MIB, "twinkeel_10.10.10+3-0.efi", 0x12345678)
    made = twice(
        lambda out: esp.make_esp(tools, tmp_path / "uki", tmp_path / "loader", out, options)
    )
    tools.run(Command(["fsck.vfat", "-n", str(made)]))
    argv = ["mcopy", "-i", str(made), "::/EFI/Linux/twinkeel_10.10.10+3-0.efi", "-"]
    assert tools.run(Command(argv)) == b"kernel" * 100_000
    data = made.read_bytes()
    entry = data.index(b"TWINKE~1EFI")
    directory = data.rindex(b".          ", 0, entry)
    assert data[13] * 512 == 4096, "clusters have 4 KiB"
    assert directory % 512 == 0
    assert entry - directory < 512, "the entry's name lies in the directory's first sector"


def test_ukify_agrees_on_who_an_image_is(tools: Runner, tmp_path: Path, twice: Twice) -> None:
    stub = Path("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")
    tools.run(Command(["cp", str(stub), str(tmp_path / "kernel")]))
    (tmp_path / "initrd").write_bytes(b"initrd" * 1000)
    (tmp_path / "release").write_text("IMAGE_ID=minimal\nIMAGE_VERSION=1.2.3\n")
    parts = uki.UkiParts(stub, tmp_path / "kernel", tmp_path / "initrd", tmp_path / "release")
    options = uki.UkiOptions("x86_64", "6.12", HASH, ("extra=1",))
    made = twice(lambda out: uki.make_uki(tools, parts, out, options))
    seen = json.loads(tools.run(Command(["ukify", "inspect", str(made), "--json=short"])))
    assert seen[".cmdline"]["text"].rstrip("\0\n") == uki.command_line(options)
    assert seen[".uname"]["text"].startswith("6.12")
    assert seen[".initrd"]["size"] == 6000


def test_qcow2_holds_the_same_disk_and_repeats(tools: Runner, image: Path, twice: Twice) -> None:
    made = twice(lambda out: diskformats.make_qcow2(tools, image, out))
    tools.run(Command(["qemu-img", "check", "-q", str(made)]))
    tools.run(Command(["qemu-img", "compare", "-q", str(image), str(made)]))


# The initrd


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root tree with just what an initrd is made from."""
    tree = tools_tree()
    top = tmp_path / "root"
    names = ["usr/bin/python3.13", "usr/sbin/e2fsck"]
    extension = "usr/lib/python3.13/lib-dynload/_ctypes.cpython-313-x86_64-linux-gnu.so"
    found = needed.files(tree.root, [*names, extension], "x86_64")
    for name, source in found.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, top / name)
    library = "usr/lib/python3.13"
    shutil.copytree(tree.root / library, top / library, dirs_exist_ok=True, symlinks=True)
    (top / "usr/bin/python3").symlink_to("python3.13")
    for name in ("lib", "lib64"):
        (top / name).symlink_to(f"usr/{name}")
    programs.install(top)
    modules = top / "usr/lib/modules/6.12"
    modules.mkdir(parents=True)
    names = [*initrd.REQUIRED, "virtio_blk", "sound"]
    for name in names:
        (modules / f"{name}.ko").write_bytes(name.encode())
    (modules / "modules.dep").write_text("".join(f"{name}.ko:\n" for name in names))
    (modules / "modules.alias").write_text("alias virtio:d2v* virtio_blk\nalias pci:* sound\n")
    (modules / "modules.builtin").write_text("")
    return top


OPTIONS = initrd.InitrdOptions("x86_64", "6.12")


@pytest.fixture
def archive(tools: Runner, root: Path, tmp_path: Path, twice: Twice) -> Path:
    def write(out: Path) -> None:
        scratch = tmp_path / f"scratch-{out.name}"
        scratch.mkdir()
        initrd.make_initrd(tools, root, scratch, out, OPTIONS)

    return twice(write)


def unpack(archive: Path, top: Path) -> Path:
    top.mkdir()
    for entry in cpio.parse(archive.read_bytes()):
        path = top / entry.name
        kind = entry.mode & 0o170000
        if kind == 0o040000:
            path.mkdir(parents=True, exist_ok=True)
        elif kind == 0o120000:
            path.symlink_to(entry.content.decode())
        elif kind == 0o100000:
            path.write_bytes(entry.content)
            path.chmod(entry.mode & 0o7777)
    return top


def test_an_initrd_holds_what_it_needs_and_no_more(archive: Path) -> None:
    entries = {entry.name: entry for entry in cpio.parse(archive.read_bytes())}
    kernel = sorted(name for name in entries if name.endswith(".ko"))
    assert [name.rpartition("/")[2] for name in kernel] == sorted(
        f"{name}.ko" for name in [*initrd.REQUIRED, "virtio_blk"]
    )
    assert (
        entries["usr/lib/modules/6.12/modules.alias"].content == b"alias virtio:d2v* virtio_blk\n"
    )
    assert not [name for name in entries if name.endswith(".py") or "unittest" in name]
    for name in entries:
        parent = name.rpartition("/")[0]
        assert not parent or parent in entries


def test_the_programs_of_an_initrd_start_with_its_own_libraries(
    archive: Path, tmp_path: Path
) -> None:
    """Import everything and use what is looked up by name at run time."""
    top = unpack(archive, tmp_path / "unpacked")
    script = """\
import sys, traceback
sys.path.append("/usr/lib/twinkeel/python")
import update_engine.initrd.init, hostio.disk.esp, osmodel.bootentry
from osmodel import bootlog, gpt
from osmodel.faults import UntrustedData
from osmodel.assessment import Assessment
from update_engine.bootcontrol import adapters
from update_engine.core.entries import KnownEntry
from update_engine.initrd import bootlog as counting, decisions
bootlog.parse(bootlog.encode(bootlog.BootLog().begun("a", "b")))
one = gpt.Partition("0fc63daf-8483-4772-8e79-3d69d8477de4", "%s", 64, 99, 0, "root-a", 1)
table = gpt.Gpt("%s", 512, 2048, (one,))
first = gpt.encode_primary(table)
assert gpt.parse(lambda at, n: first[at:at + n], 512, 2048) == table
good = Assessment.GOOD
entries = [KnownEntry("a.efi", good, "1.0", "a" * 64), KnownEntry("b.efi", good, "1.1", "b" * 64)]
assert decisions.way_out("b" * 64, entries, table) is None
try:
    raise UntrustedData("x")
except UntrustedData as fault:
    "".join(traceback.format_exception(fault))
print("complete")
"""
    script = script.replace("%s", UUID)
    inside = ["bwrap", "--bind", str(top), "/", "--proc", "/proc", "--dev", "/dev", "--"]
    runner = LocalRunner()
    said = runner.run(Command([*inside, "/usr/bin/python3.13", "-IS", "-c", script]))
    assert said == b"complete\n"
    with pytest.raises(HostFailure, match=r"Usage: .*e2fsck"):
        runner.run(Command([*inside, "/usr/sbin/e2fsck"]))
