"""What an image definition may say, and how it is told that it may not."""

from pathlib import Path

import pytest

from builder import definition, imagelocks
from builder.definition import MIB, DiskSizes
from builder.image.rootimage import check_room
from osmodel.faults import InvalidInput
from osmodel.platforms import TARGETS, Target
from osmodel.verity import hash_device_size
from tests.checkout import ROOT

IMAGES = ROOT / "images"

PARENT = """
name = "parent"
[packages]
include = ["systemd", "bash"]
remove = ["apt"]
[kernel]
command_line = ["a=1"]
[disk]
slot_mib = 512
"""
CHILD = """
name = "child"
extends = "parent"
[packages]
include = ["etcd-server"]
[kernel]
command_line = ["b=2"]
modules = ["nvme"]
[disk]
slot_mib = 1024
"""


def images(tmp_path: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (tmp_path / name / "overlay").mkdir(parents=True)
        (tmp_path / name / "image.toml").write_text(text)
    return tmp_path


def test_a_definition_adds_to_the_one_it_extends(tmp_path: Path) -> None:
    child = definition.load(images(tmp_path, parent=PARENT, child=CHILD) / "child")
    assert child.packages == ("bash", "etcd-server", "systemd")
    assert child.remove == ("apt",)
    assert child.command_line == ("a=1", "b=2")
    assert child.disk == DiskSizes(1024 * MIB, 9 * MIB, 512 * MIB)
    assert child.overlays == (tmp_path / "parent/overlay", tmp_path / "child/overlay")


def test_a_definition_keeps_what_the_one_it_extends_removes(tmp_path: Path) -> None:
    child = CHILD.replace('"etcd-server"', '"etcd-server", "apt"')
    assert definition.load(images(tmp_path, parent=PARENT, child=child) / "child").remove == ()


VARIANTS = """
name = "x"
[packages]
include = ["bash"]
[kernel]
leave_out = ["drivers/a"]
[architecture.x86_64.kernel]
package = "linux-image-pc"
[architecture.arm64]
kernel = { package = "linux-image-arm", command_line = ["arm=1"], leave_out = ["drivers/b"] }
packages = { include = ["tree"], remove = ["perl"] }
[platform.raspberrypi]
kernel = { package = "linux-image-pi", modules = ["sdhci_iproc"] }
disk = { slot_mib = 2048 }
packages = { include = ["perl"] }
"""


def test_what_differs_between_targets_is_added_for_those_alone(tmp_path: Path) -> None:
    place = images(tmp_path, x=VARIANTS) / "x"
    pc, arm, board = (definition.load(place, target) for target in TARGETS)
    assert [each.kernel for each in (pc, arm, board)] == [
        "linux-image-pc",
        "linux-image-arm",
        "linux-image-pi",
    ]
    assert pc.packages == ("bash",)
    assert arm.packages == ("bash", "tree")
    assert arm.command_line == board.command_line == ("arm=1",)
    assert arm.leave_out == board.leave_out == ("drivers/a", "drivers/b")
    assert (pc.remove, arm.remove, board.remove) == ((), ("perl",), ())
    assert (arm.modules, board.modules) == ((), ("sdhci_iproc",))
    assert board.disk.slot == 2048 * MIB
    assert [each.lock.name for each in (pc, arm, board)] == [
        "x86_64.lock",
        "arm64.lock",
        "raspberrypi.lock",
    ]


BAD = {
    'name = "x"\n[architecture.arm.disk]\nslot_mib = 512': "architecture: there is no 'arm'",
    'name = "x"\n[platform.arm64.disk]\nslot_mib = 512': "platform: there is no 'arm64'",
    'name = "x"\n[platform.uefi]\nsize = 1': "platform.uefi.size: unknown key",
    'name = "x"\nextends = "y"': "x/image.toml: extends: no definition 'y'",
    'name = "y"': "x/image.toml: name: expected 'x', the directory's name",
    'name = "x"\nextends = "x"': "x/image.toml: extends: 'x' extends itself",
    'name = "X!"': "x/image.toml: name: not an image name: 'X!'",
    'name = "x"\nsize = 1': "x/image.toml: size: unknown key",
    'name = "x"\n[disk]\nslot = 1': "x/image.toml: disk.slot: unknown key",
    'name = "x"\n[disk]\nslot_mib = "1"': "disk.slot_mib: expected an integer, got '1'",
    'name = "x"\n[disk]\nslot_mib = 1': "disk.slot_mib: 1 MiB is not within 128 to 65536 MiB",
    'name = "x"\n[disk]\nesp_mib = 64': "disk.esp_mib: 64 MiB is not within 512 to 8192 MiB",
    'name = "x"\n[disk]\nverity_mib = 1': "disk.verity_mib: 1 MiB cannot hold the hash tree",
    'name = "x"\n[packages]\ninclude = ["a b"]': "packages.include: not a package name: 'a b'",
    'name = "x"\n[packages]\ninclude = ["aa"]\nremove = ["aa"]': "packages.remove: also included",
    'name = "x"\n[kernel]\ncommand_line = ["a b"]': "kernel.command_line: not one kernel argument",
    'name = "x"\n[kernel]\nleave_out = ["../x"]': "kernel.leave_out: not a directory of modules",
    'name = "x"\n[ids.users]\na = 5': "ids.users: 'a' has number 5, not one of an image's",
    'name = "x"\n[ids.users]\na = 500': "ids.users: 'a' has number 500, not one of an image's",
    'name = "x"\n[[files]]\npath = "/root/x"': "files[0].path: not a path below",
    'name = "x"\n[[files]]\npath = "etc/x"': "files[0].path: not a path below",
    'name = "x"\n[[files]]\npath = "/etc/../x"': "files[0].path: not a plain path",
    'name = "x"\n[[files]]\npath = "/etc/x"\nmode = "rw"': "files[0].mode: not octal",
    'name = "x"\n[[files]]\npath = "/etc/x"\ncapabilities = "all"': "files[0].capabilities: not",
    'name = "x"\n[[files]]\npath = "/var/x"\ncapabilities = "cap_kill=p"': "files[0].path: ",
    'name = "x"\n[[files]]\npath = "/etc/x"\n[files.xattrs]\n"trusted.x" = "y"': "files[0].xattrs:",
    'name = "x"\n[ids.users]\na = 105\nb = 105': "ids.users: two accounts have one number",
    'name = "x"\n[update]\ntrust_root = "r"': "x/image.toml: update.trust_root: no such file",
    'name = "x"\n[[closure.allow]]\nfile = "a"\nlibrary = "b"\nreason = " "': (
        "closure.allow[0].reason: may not be empty"
    ),
}


@pytest.mark.parametrize("text", BAD)
def test_what_cannot_be_built_is_refused_with_file_and_key(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        definition.load(images(tmp_path, x=text) / "x")
    assert BAD[text] in str(caught.value)


def test_a_misspelt_definition_is_answered_with_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no image definition there") as caught:
        definition.load(images(tmp_path, parent=PARENT) / "parnet")
    assert "did you mean" in caught.value.hint
    assert "parent" in caught.value.hint


def test_a_root_that_fills_its_slot_is_refused_with_a_size_that_fits() -> None:
    check_room(358 * MIB, 512 * MIB, Path("image.toml"))
    with pytest.raises(InvalidInput, match=r"disk\.slot_mib: a root of 360 MiB") as caught:
        check_room(360 * MIB, 512 * MIB, Path("image.toml"))
    assert "515" in caught.value.hint


@pytest.mark.parametrize("mib", [128, 512, 1000, 65536])
def test_the_hash_tree_has_the_size_that_verity_gives_it(mib: int) -> None:
    assert definition.verity_needed(mib * MIB) == hash_device_size(mib * MIB // 4096)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.label)
@pytest.mark.parametrize("name", ["minimal", "node"])
def test_the_locks_of_this_project_fit_their_definitions(name: str, target: Target) -> None:
    image = definition.load(IMAGES / name, target)
    wanted = imagelocks.for_image(image)
    locked = wanted.committed()
    assert locked.architecture == wanted.request.architecture
    assert {item.name for item in locked.kernel} >= {image.kernel}
    assert {item.architecture for item in locked.everything} <= {locked.architecture, "all"}


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_locks_of_the_tools_fit_the_tools(architecture: str) -> None:
    assert imagelocks.for_tools(architecture).committed().architecture == architecture
