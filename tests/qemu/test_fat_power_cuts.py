"""The power fails at every write of the real kernel's FAT, while boot control changes it.

Linux gives no promise about what it writes first within an operation, so what
the models in tests/fakes assume is looked at here.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from osmodel import slotstate
from osmodel.platforms import Platform, Target
from osmodel.slotstate import COPIES, SlotState, encode
from tests.interop.fatdisk import outcomes
from tests.interop.pinnedtools import tools_tree
from tests.qemu.background import OUT
from tests.qemu.linuxfat import NEW, OLD, PASSIVE, LinuxFat
from tests.qemu.releases import Releases

MOST = 60  # disks looked at for each change
TRIED = SlotState(8, "b", "good", "2")
BEFORE = SlotState(7, "b", "good", "3")
TORN = encode(TRIED)[:8] + encode(BEFORE)[8:]
assert slotstate.read((TORN, None)).state is None
CONTENTS = {OLD: "1.0.0", PASSIVE: "1.0.1", NEW: "1.0.2"}
Seen = Mapping[str, str]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> LinuxFat:
    release = Releases(OUT, Target("x86_64")).build("1.0.0", publishable=False)
    place = tmp_path_factory.mktemp("fat")
    tree = tools_tree()
    return LinuxFat(tree.runner([place]), place, release / "uki.efi")


def cut(disk: LinuxFat, act: str, platform: Platform, files: Mapping[str, bytes]) -> list[Seen]:
    """What each disk that a cut may leave holds: versions, and the state that counts."""
    disk.restore(disk.empty)
    for name, content in files.items():
        disk.put(name, content)
    kept = disk.keep()
    disk.act(act, platform)
    contents = outcomes(disk.events(), MOST)
    return [seen(disk.files()) for _ in disk.cuts(kept, contents)]


def seen(files: Mapping[str, bytes]) -> Seen:
    found = {
        Path(name).name: CONTENTS.get(content, "damaged")
        for name, content in files.items()
        if name.startswith("EFI/Linux/")
    }
    state = slotstate.read([files.get(name) for name in COPIES]).state
    return found | ({"state": f"{state.first} {state.a} {state.b}"} if state else {})


def by_name(counter: str) -> dict[str, bytes]:
    return {
        "EFI/Linux/twinkeel_1.0.0.efi": OLD,
        f"EFI/Linux/twinkeel_1.0.1{counter}.efi": PASSIVE,
    }


def by_slot(*copies: bytes) -> dict[str, bytes]:
    images = {"EFI/Linux/twinkeel_a.efi": OLD, "EFI/Linux/twinkeel_b.efi": PASSIVE}
    return images | dict(zip(COPIES, copies, strict=True))


def test_a_rename_is_seen_whole_or_not_at_all(disk: LinuxFat) -> None:
    old = {"twinkeel_1.0.0.efi": "1.0.0", "twinkeel_1.0.1+2-1.efi": "1.0.1"}
    new = {"twinkeel_1.0.0.efi": "1.0.0", "twinkeel_1.0.1.efi": "1.0.1"}
    found = cut(disk, "bless", Platform.UEFI, by_name("+2-1"))
    assert all(one in (old, new) for one in found)
    assert old in found
    assert new in found


def test_a_switch_gives_the_other_entry_its_tries_first(disk: LinuxFat) -> None:
    old = {"twinkeel_1.0.0.efi": "1.0.0", "twinkeel_1.0.1.efi": "1.0.1"}
    tried = {"twinkeel_1.0.0+3-0.efi": "1.0.0", "twinkeel_1.0.1.efi": "1.0.1"}
    new = {"twinkeel_1.0.0+3-0.efi": "1.0.0", "twinkeel_1.0.1+0-1.efi": "1.0.1"}
    found = cut(disk, "switch", Platform.UEFI, by_name(""))
    assert all(one in (old, tried, new) for one in found)
    assert old in found
    assert new in found


def test_an_installed_entry_is_never_empty(disk: LinuxFat) -> None:
    found = cut(disk, "install", Platform.UEFI, by_name("+0-3"))
    assert {one["twinkeel_1.0.0.efi"] for one in found} == {"1.0.0"}
    placed = [one["twinkeel_1.0.2+3-0.efi"] for one in found if "twinkeel_1.0.2+3-0.efi" in one]
    assert set(placed) == {"1.0.2"}


WHOLE, FIRST_TORN, SECOND_OLDER = (
    (encode(TRIED), encode(TRIED)),
    (TORN, encode(TRIED)),
    (encode(TRIED), encode(BEFORE)),
)


@pytest.mark.parametrize(
    ("act", "copies", "after"),
    [
        ("bless", WHOLE, "b good good"),
        ("bless", FIRST_TORN, "b good good"),
        ("switch", SECOND_OLDER, "a 3 2"),
        ("sweep", FIRST_TORN, "b good 2"),
    ],
)
def test_the_slot_state_is_the_one_before_or_after(
    disk: LinuxFat, act: str, copies: tuple[bytes, bytes], after: str
) -> None:
    images = {"twinkeel_a.efi": "1.0.0", "twinkeel_b.efi": "1.0.1"}
    meant = [images | {"state": state} for state in ("b good 2", after)]
    assert all(one in meant for one in cut(disk, act, Platform.RASPBERRYPI, by_slot(*copies)))


@pytest.mark.parametrize("copies", [(encode(TRIED), encode(TRIED)), (encode(TRIED), TORN)])
def test_a_slot_that_may_boot_has_its_image(disk: LinuxFat, copies: tuple[bytes, bytes]) -> None:
    found = cut(disk, "install", Platform.RASPBERRYPI, by_slot(*copies))
    assert {one["twinkeel_a.efi"] for one in found} == {"1.0.0"}
    bootable = {
        (one["state"], one.get("twinkeel_b.efi"))
        for one in found
        if not one["state"].endswith("none")
    }
    assert bootable == {("b good 2", "1.0.1"), ("b good 3", "1.0.2")}
