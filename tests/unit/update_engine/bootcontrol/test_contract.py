"""The boot control port: one contract for entry names and for U-Boot's slot state.

Every test runs on both adapters, over the ESP in memory and over a directory.
"""

import ast
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from hostio.disk.esp import Esp, MountedEsp
from osmodel import slotstate
from osmodel.assessment import Assessment
from osmodel.faults import HostFailure
from osmodel.platforms import Platform
from osmodel.slotstate import COPIES, SlotState
from tests.checkout import ROOT
from tests.fakes.loaders import started
from tests.fakes.page import arrows
from tests.fakes.ramesp import RamEsp
from tests.fakes.smalluki import small_uki
from update_engine.bootcontrol.adapters import control_found, control_of
from update_engine.bootcontrol.loadernames import LoaderNames
from update_engine.bootcontrol.port import Arming, BootControl
from update_engine.bootcontrol.slotfiles import SlotFiles
from update_engine.core.entries import KnownEntry

OLD, NEW = "aa" * 32, "bb" * 32
OLD_UKI, NEW_UKI = small_uki("1.0.0", OLD), small_uki("1.0.1", NEW)


class Bench:
    """A machine's FAT with one good entry, whichever way it is kept."""

    def __init__(self, platform: Platform, directory: Path | None) -> None:
        self.platform = platform
        self._esp: Esp = RamEsp(capacity=8 << 20)
        if directory is not None:
            (directory / "EFI/Linux").mkdir(parents=True)
            self._esp = MountedEsp(directory)
        self.put("twinkeel_1.0.0.efi" if self.by_name else "twinkeel_a.efi", OLD_UKI)
        if not self.by_name:
            self.write(slotstate.factory())

    @property
    def by_name(self) -> bool:
        return self.platform is Platform.UEFI

    @property
    def control(self) -> BootControl:
        return control_of(self._esp, self.platform)

    def put(self, name: str, content: bytes) -> None:
        staged = self._esp.stage()
        staged.write(content)
        staged.close()
        staged.place(name)

    def write(self, state: SlotState) -> None:
        for name in COPIES:
            self._esp.overwrite(name, slotstate.encode(state))

    def copies(self) -> list[bytes | None]:
        return [self._esp.small_file(name) for name in COPIES]

    def arm_new(self) -> None:
        staged = self.control.stage()
        staged.write(NEW_UKI)
        staged.close()
        self.control.arm(staged, Arming("1.0.1", "b"))

    def entry(self, root_hash: str) -> KnownEntry:
        (found,) = [one for one in self.control.entries() if one.root_hash == root_hash]
        return found

    def boots(self) -> str:
        """The version the loader starts next; its try is counted."""
        files = {name: self._esp.read(name, 0, 1 << 20) for name in self._esp.names()}
        copies = zip(COPIES, self.copies(), strict=True)
        small = {name: copy for name, copy in copies if copy is not None}
        name, counted, after = started(self.platform, files, small)
        assert name is not None
        for old, new in zip(sorted(files), sorted(counted), strict=True):
            if old != new:
                self._esp.rename(old, new)
        for copy_name, content in after.items():
            self._esp.overwrite(copy_name, content)
        return "1.0.0" if files[name] == OLD_UKI else "1.0.1"


@pytest.fixture(params=["names in memory", "names", "state files in memory", "state files"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    platform = Platform.UEFI if "names" in request.param else Platform.RASPBERRYPI
    return Bench(platform, None if "memory" in request.param else tmp_path)


def test_a_shipped_machine_has_one_good_entry(bench: Bench) -> None:
    (only,) = bench.control.entries()
    assert (only.assessment, only.version, only.root_hash) == (Assessment.GOOD, "1.0.0", OLD)
    assert bench.boots() == "1.0.0"


def test_nothing_staged_boots(bench: Bench) -> None:
    bench.control.stage().write(NEW_UKI)
    assert len(bench.control.entries()) == 1
    assert bench.boots() == "1.0.0"


def test_what_is_armed_boots_next_on_trial(bench: Bench) -> None:
    bench.arm_new()
    assert bench.entry(NEW).assessment is Assessment.INDETERMINATE
    assert bench.entry(OLD).assessment is Assessment.GOOD
    assert bench.boots() == "1.0.1"


def test_three_failed_tries_lead_back(bench: Bench) -> None:
    bench.arm_new()
    assert [bench.boots() for _ in range(5)] == ["1.0.1"] * 3 + ["1.0.0"] * 2
    assert bench.entry(NEW).assessment is Assessment.BAD


@pytest.mark.parametrize("tries", [1, 2, 3])
def test_a_blessed_entry_boots_for_ever(bench: Bench, tries: int) -> None:
    bench.arm_new()
    for _ in range(tries):
        bench.boots()
    bench.control.bless(bench.entry(NEW))
    assert bench.entry(NEW).assessment is Assessment.GOOD
    assert {bench.boots() for _ in range(4)} == {"1.0.1"}


def both_good(bench: Bench) -> None:
    bench.arm_new()
    bench.control.bless(bench.entry(NEW))


def switch_back(bench: Bench, *, on_trial: bool) -> None:
    bench.control.switch(bench.entry(OLD), bench.entry(NEW), boots=5, on_trial=on_trial)


def test_what_is_switched_to_boots_next_for_ever(bench: Bench) -> None:
    both_good(bench)
    switch_back(bench, on_trial=False)
    assert bench.entry(OLD).assessment is Assessment.GOOD
    assert [bench.boots() for _ in range(4)] == ["1.0.0"] * 4


def test_what_is_switched_to_on_trial_comes_back_after_its_tries(bench: Bench) -> None:
    both_good(bench)
    switch_back(bench, on_trial=True)
    assert bench.entry(OLD).assessment is Assessment.INDETERMINATE
    assert [bench.boots() for _ in range(5)] == ["1.0.0"] * 3 + ["1.0.1"] * 2


def test_a_bad_entry_can_be_switched_to(bench: Bench) -> None:
    """Two slots that both lost their tries lead to each other again."""
    both_good(bench)
    switch_back(bench, on_trial=True)
    for _ in range(3):
        bench.boots()
    bench.control.switch(bench.entry(OLD), bench.entry(NEW), boots=5, on_trial=True)
    assert [bench.boots() for _ in range(4)] == ["1.0.0"] * 3 + ["1.0.1"]


def test_what_was_switched_to_can_be_blessed(bench: Bench) -> None:
    both_good(bench)
    switch_back(bench, on_trial=True)
    bench.boots()
    bench.control.bless(bench.entry(OLD))
    assert [bench.boots() for _ in range(4)] == ["1.0.0"] * 4


def test_a_switch_is_taken_back_by_blessing_what_runs(bench: Bench) -> None:
    both_good(bench)
    switch_back(bench, on_trial=True)
    bench.control.bless(bench.entry(NEW))
    assert [bench.boots() for _ in range(4)] == ["1.0.1"] * 4


def test_a_digest_is_that_of_the_kernel_image(bench: Bench) -> None:
    assert bench.control.digest(bench.entry(OLD)) == sha256(OLD_UKI).hexdigest()


def test_a_removed_entry_costs_no_try(bench: Bench) -> None:
    bench.arm_new()
    bench.control.remove(bench.entry(NEW))
    assert [one.root_hash for one in bench.control.entries()] == [OLD]
    assert bench.boots() == "1.0.0"


def test_a_removed_slot_can_be_armed_again(bench: Bench) -> None:
    bench.arm_new()
    bench.control.remove(bench.entry(NEW))
    bench.arm_new()
    assert bench.boots() == "1.0.1"


def test_what_is_armed_replaces_no_entry(bench: Bench) -> None:
    bench.arm_new()
    with pytest.raises(HostFailure, match="already there"):
        bench.arm_new()
    assert bench.entry(NEW).assessment is Assessment.INDETERMINATE


def test_a_removal_gives_room_back(bench: Bench) -> None:
    bench.arm_new()
    assert bench.control.size(bench.entry(NEW)) == len(NEW_UKI)
    assert bench.control.free_bytes() > 4096


def test_doing_it_again_writes_nothing(bench: Bench) -> None:
    bench.control.sweep()
    before = bench.copies(), bench.control.entries()
    bench.control.sweep()
    bench.control.bless(bench.entry(OLD))
    assert (bench.copies(), bench.control.entries()) == before


def test_a_damaged_kernel_image_is_listed_without_a_root(bench: Bench) -> None:
    bench.put("twinkeel_0.9.0.efi" if bench.by_name else "twinkeel_b.efi", b"rot")
    (damaged,) = [one for one in bench.control.entries() if not one.root_hash]
    assert damaged.version == ""
    bench.control.remove(damaged)
    assert len(bench.control.entries()) == 1


def test_an_entry_without_an_assessment_gets_one_try(bench: Bench) -> None:
    if bench.by_name:
        bench._esp.rename("twinkeel_1.0.0.efi", "TWINKE~1.EFI")
    else:
        bench.write(SlotState(9, "b", "none", "none"))
    assert bench.entry(OLD).assessment is None
    bench.control.readmit(bench.entry(OLD))
    assert bench.entry(OLD).assessment is Assessment.INDETERMINATE
    bench.boots()
    assert bench.entry(OLD).assessment is Assessment.BAD


def life_of(bench: Bench, *path: str) -> list[str]:
    """What the loader makes of the new entry before and after each step of ``path``."""
    steps: dict[str, Callable[[], object]] = {
        "arm": bench.arm_new,
        "boot": bench.boots,
        "bless": lambda: bench.control.bless(bench.entry(NEW)),
        "switch to": lambda: bench.control.switch(
            bench.entry(NEW), bench.entry(OLD), boots=5, on_trial=True
        ),
        "remove": lambda: bench.control.remove(bench.entry(NEW)),
        "readmit": lambda: bench.control.readmit(bench.entry(NEW)),
        "forget": lambda: forget(bench),
    }
    found = [assessed(bench)]
    for step in path:
        steps[step]()
        found.append(assessed(bench))
    return found


def assessed(bench: Bench) -> str:
    own = [one for one in bench.control.entries() if one.root_hash == NEW]
    if not own:
        return "none"
    return own[0].assessment.value if own[0].assessment else "unknown"


def forget(bench: Bench) -> None:
    """The loader's bookkeeping of the new entry is lost."""
    if bench.by_name:
        bench._esp.rename(bench.entry(NEW).name, "TWINKE~1.EFI")
    else:
        bench.write(SlotState(9, "a", "good", "none"))


BOOTS = ("boot", "boot", "boot")
LIVES = (
    ("arm", *BOOTS, "bless", "boot", "switch to"),
    ("arm", *BOOTS, "remove"),
    ("arm", *BOOTS, "switch to"),
    ("arm", "bless", "remove"),
    ("arm", "remove"),
    ("arm", "forget", "readmit"),
)


def test_the_page_draws_the_life_of_an_entry(bench: Bench) -> None:
    drawn = arrows("update-engine.md", "An entry's life")
    lived = {"bad --> bad: boot"}  # the other slot boots then; see below
    for life in LIVES:
        states = life_of(bench, *life)
        for before, after, step in zip(states, states[1:], life, strict=False):
            if step != "forget":
                lived.add(f"{before} --> {after}: {worded(step, before, after)}")
        for one in bench.control.entries():
            if one.root_hash == NEW:
                bench.control.remove(one)
    assert lived == drawn


def worded(step: str, before: str, after: str) -> str:
    if step != "boot" or before != "indeterminate":
        return step
    return "boot with tries left" if after == "indeterminate" else "boot on the last try"


def test_a_bad_entry_stays_bad(bench: Bench) -> None:
    assert life_of(bench, "arm", *BOOTS, "boot")[-2:] == ["bad", "bad"]


def test_the_adapter_is_found_without_an_identity(bench: Bench) -> None:
    kind = LoaderNames if bench.by_name else SlotFiles
    assert isinstance(control_found(bench._esp), kind)
    assert isinstance(bench.control, kind)


# U-Boot's slot state alone


@pytest.fixture
def pi() -> Bench:
    return Bench(Platform.RASPBERRYPI, None)


def test_both_copies_are_written_and_agree(pi: Bench) -> None:
    pi.arm_new()
    assert slotstate.read(pi.copies()).agree
    assert pi.copies()[0] == slotstate.encode(SlotState(2, "b", "good", "3"))


@pytest.mark.parametrize("damage", [b"", b"rot", bytes(512)])
@pytest.mark.parametrize("name", COPIES)
def test_a_damaged_copy_is_mended(pi: Bench, name: str, damage: bytes) -> None:
    pi.arm_new()
    pi._esp.overwrite(name, damage)
    assert pi.entry(NEW).assessment is Assessment.INDETERMINATE
    pi.control.sweep()
    reading = slotstate.read(pi.copies())
    assert reading.agree
    assert reading.state is not None
    assert (reading.state.first, reading.state.a, reading.state.b) == ("b", "good", "3")


def test_without_any_copy_what_is_there_has_to_prove_itself(pi: Bench) -> None:
    pi.arm_new()
    for name in COPIES:
        pi._esp.overwrite(name, b"")
    assert [one.assessment for one in pi.control.entries()] == [None, None]
    pi.control.sweep()
    assert [one.assessment for one in pi.control.entries()] == [Assessment.INDETERMINATE] * 2


def test_a_slot_whose_image_vanished_is_not_tried(pi: Bench) -> None:
    pi.arm_new()
    pi._esp.remove("twinkeel_b.efi")
    pi.control.sweep()
    state = slotstate.read(pi.copies()).state
    assert state is not None
    assert (state.first, state.a, state.b) == ("a", "good", "none")


def test_an_image_without_its_name_goes_back_under_a_free_one(pi: Bench) -> None:
    pi._esp.rename("twinkeel_a.efi", "TWINKE~1.EFI")
    pi.control.readmit(pi.entry(OLD))
    assert (pi.entry(OLD).name, pi.entry(OLD).slot) == ("twinkeel_a.efi", "a")
    assert pi.boots() == "1.0.0"


def test_an_image_without_a_slot_cannot_be_blessed(pi: Bench) -> None:
    pi._esp.rename("twinkeel_a.efi", "TWINKE~1.EFI")
    with pytest.raises(HostFailure, match="belongs to no slot"):
        pi.control.bless(pi.entry(OLD))


class OneBadSector(RamEsp):
    """An ESP on which one small file cannot be written."""

    bad = ""

    def overwrite(self, name: str, content: bytes) -> None:
        if name == self.bad:
            raise HostFailure(f"ESP: write {name}: Input/output error")
        super().overwrite(name, content)


@pytest.mark.parametrize(("bad", "armed"), [("slots0.env", False), ("slots1.env", True)])
def test_the_first_copy_decides(bad: str, armed: bool) -> None:  # noqa: FBT001 - a table
    pi = Bench(Platform.RASPBERRYPI, None)
    assert isinstance(pi._esp, RamEsp)
    medium = OneBadSector(pi._esp.files, small=pi._esp.small, capacity=8 << 20)
    medium.bad, pi._esp = bad, medium
    if armed:
        pi.arm_new()
    else:
        with pytest.raises(HostFailure, match="Input/output error"):
            pi.arm_new()
    medium.bad = ""  # U-Boot has another driver
    assert pi.boots() == ("1.0.1" if armed else "1.0.0")
    assert ("twinkeel_b.efi" in medium.names()) is armed


# Who knows

ADAPTERS = {"loadernames.py", "slotfiles.py", "adapters.py"}
MODULES = sorted((ROOT / "update_engine").rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_adapters_know_names_and_state_files(path: Path) -> None:
    if path.parent.name == "bootcontrol" and path.name in ADAPTERS:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        f"{node.module}.{name.name}" if isinstance(node, ast.ImportFrom) else name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    known = ("osmodel.bootentry", "osmodel.slotstate")
    assert not [name for name in imported if name.startswith(known)]
