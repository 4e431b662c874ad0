"""The power fails at every write of the real kernel's FAT, while boot files are replaced.

A board has each of them once, so what is promised is looked at with the kernel
that does it: every file is the old one or the new one, before and after the
repair that the next use of the partition begins with.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from hostio.disk import firmwarefiles
from osmodel.faults import HostFailure
from osmodel.platforms import Platform, Target
from tests.interop.fatdisk import outcomes
from tests.interop.pinnedtools import tools_tree
from tests.qemu import linuxfat
from tests.qemu.background import OUT
from tests.qemu.linuxfat import OLD, PASSIVE, LinuxFat
from tests.qemu.releases import Releases

MOST = 80  # disks looked at
SIZES = {"start.elf": 12_000, "fixup.dat": 5_000, "boot.scr": 3_000}
_ACT = """\
    names = {"__name__": "bootfiles"}
    exec(@SOURCE@, names)
    files = names["MountedFirmwareFiles"](fat)
    files.sweep()
    for group in (("start.elf", "fixup.dat"), ("boot.scr",)):
        for name in group:
            files.stage(name, @NEW@[name])
        files.place(group)
"""


def contents(age: bytes) -> dict[str, bytes]:
    return {name: age * (size // len(age)) for name, size in SIZES.items()}


BEFORE, AFTER = contents(b"old."), contents(b"newer.")
ENTRIES = {"EFI/Linux/twinkeel_1.0.0.efi": OLD, "EFI/Linux/twinkeel_1.0.1.efi": PASSIVE}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> LinuxFat:
    release = Releases(OUT, Target("x86_64")).build("1.0.0", publishable=False)
    place = tmp_path_factory.mktemp("fat")
    tree = tools_tree()
    return LinuxFat(tree.runner([place]), place, release / "uki.efi")


def ages(files: Mapping[str, bytes]) -> tuple[str, ...]:
    known = dict.fromkeys(BEFORE.values(), "old") | dict.fromkeys(AFTER.values(), "new")
    return tuple(known.get(files.get(name, b""), "damaged") for name in SIZES)


def repaired(disk: LinuxFat) -> dict[str, bytes]:
    """The boot files after what ``mounted_fat`` does before it mounts."""
    fat = disk.place / "repaired"
    whole = disk.place / "disk.raw"
    disk.run("dd", f"if={whole}", f"of={fat}", "bs=1M", "skip=1", "count=297", "conv=sparse")
    with contextlib.suppress(HostFailure):  # it ends with 1 after a repair
        disk.run("fsck.vfat", "-a", str(fat))
    disk.run("fsck.vfat", "-n", str(fat))
    return {name: disk.run("mtype", "-i", str(fat), f"::/{name}") for name in SIZES}


def test_every_boot_file_is_old_or_new_after_any_cut(
    disk: LinuxFat, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(firmwarefiles.__file__).read_text()
    act = _ACT.replace("@SOURCE@", repr(source)).replace("@NEW@", repr(AFTER))
    monkeypatch.setitem(linuxfat.ACTS, "firmware", act)
    for name, content in (ENTRIES | BEFORE).items():
        disk.put(name, content)
    kept = disk.keep()
    disk.act("firmware", Platform.UEFI)
    found = [
        (ages(disk.files()), ages(repaired(disk)))
        for _ in disk.cuts(kept, outcomes(disk.events(), MOST))
    ]
    assert {age for seen in found for ages_ in seen for age in ages_} == {"old", "new"}
    # The repair never turns a file back or breaks it.
    assert all(one == two for one, two in found)
    # One after the other, but for the pair, whose order Linux may choose.
    assert all(one[2] == "old" or one[:2] == ("new", "new") for one, _ in found)
    assert ("old", "old", "old") in {one for one, _ in found}
    assert ("new", "new", "new") in {one for one, _ in found}
