"""The power fails at every operation of an update, a blessing and a rollback.

Whatever each medium kept of its unflushed writes, the machine that comes back
must start a whole version at once: the old one or the new one. Every scenario is
run for both boot controls: entry names, and the slot state of U-Boot's script.
"""

import itertools
from collections.abc import Callable
from functools import cache

import pytest

from osmodel.bootlog import BootLog, encode
from osmodel.faults import Fault, HostFailure, UntrustedData
from osmodel.platforms import Target
from tests.fakes import ramsystem
from tests.fakes.payloads import SmallRelease
from tests.fakes.ramdisk import Power, PowerCut, RamDisk
from tests.fakes.ramesp import RamEsp
from tests.fakes.ramsystem import (
    RASPBERRY_PI,
    UEFI,
    DoesNotStart,
    Media,
    RamReleases,
    RamSystem,
    bootable,
    factory_media,
    starts,
    starts_by,
)
from update_engine.boot import steps
from update_engine.disarming import disarm
from update_engine.install.sources import FromRepository
from update_engine.rollback import roll_back_now
from update_engine.worker import Ending, update

SEEDS = {"0.9.0": 4, "1.0.0": 2, "1.0.1": 1, "1.0.2": 3}
TARGETS = {"names": UEFI, "state files": RASPBERRY_PI}
Act = Callable[[RamSystem], None]


@cache
def release(version: str, target: Target) -> SmallRelease:
    return bootable(version, SEEDS[version], target=target)


def releases(*versions: str, of: Media) -> list[SmallRelease]:
    (target,) = [target for target in TARGETS.values() if target.platform == of.platform]
    return [release(version, target) for version in versions]


def switched_on(media: Media, power: Power | None = None) -> RamSystem:
    """The machine after loader and initrd did their part."""
    (running,) = releases(starts(media), of=media)
    ram_releases = RamReleases(*releases("0.9.0", "1.0.0", "1.0.1", of=media))
    system = RamSystem(ramsystem.switched_on(media), running, ram_releases, power or Power())
    log = BootLog().begun(system.running.release.root_hash, system.boot_id)
    system.boots_file.text = encode(log)
    return system


def update_it(system: RamSystem) -> None:
    assert update(system.world, FromRepository(system.ram_releases)).ending is Ending.ARMED


def boot_well(system: RamSystem) -> None:
    steps.run(["assess", "bless", "stable", "end"], system.world)


def roll_back(system: RamSystem) -> None:
    roll_back_now(system.world)


def roll_back_and_stay(system: RamSystem) -> None:
    roll_back(system)
    with system.world.lock():
        assert disarm(system.world) is not None


def take_back(system: RamSystem) -> None:
    update_it(system)
    with system.world.lock():
        assert disarm(system.world) is not None


def after_update(media: Media) -> Media:
    system = switched_on(media)
    update_it(system)
    return system.off()


def after_good_boot(media: Media) -> Media:
    system = switched_on(media)
    boot_well(system)
    return system.off()


@cache
def before(name: str, target: Target) -> Media:
    """A machine at the beginning of a scenario."""
    if name == "factory":
        return factory_media(release("1.0.0", target))
    if name == "older in the other slot":
        # Installed as 0.9.0, updated to 1.0.0: which slot is which does not matter.
        older = release("0.9.0", target)
        system = RamSystem(factory_media(older), older, RamReleases(release("1.0.0", target)))
        update_it(system)
        return after_good_boot(system.off())
    if name == "armed":
        return after_update(before("factory", target))
    if name == "updated":
        return after_good_boot(before("armed", target))
    assert name == "rolled back"
    system = switched_on(before("updated", target))
    roll_back(system)
    return after_good_boot(system.off())


def update_to_next(system: RamSystem) -> None:
    system.ram_releases.releases = tuple(releases("1.0.0", "1.0.1", "1.0.2", of=system.media))
    update_it(system)


SCENARIOS: dict[str, tuple[str, Act, set[str]]] = {
    "first update": ("factory", update_it, {"1.0.0", "1.0.1"}),
    "update over an old slot": ("older in the other slot", update_it, {"1.0.0", "1.0.1"}),
    "update over a bad slot": ("rolled back", update_to_next, {"1.0.0", "1.0.2"}),
    "an update that is taken back": (
        "older in the other slot",
        take_back,
        {"1.0.0", "1.0.1"},
    ),
    "blessing": ("armed", boot_well, {"1.0.1"}),
    "rollback": ("updated", roll_back, {"1.0.0", "1.0.1"}),
    "a rollback that is taken back": ("updated", roll_back_and_stay, {"1.0.0", "1.0.1"}),
}


def operations_of(scenario: str, control: str) -> int:
    name, act, _ = SCENARIOS[scenario]
    system = switched_on(before(name, TARGETS[control]))
    act(system)
    return system.power.operations


CUTS = [
    (scenario, control, cut_at)
    for scenario in SCENARIOS
    for control in TARGETS
    for cut_at in range(operations_of(scenario, control))
]


def cut(scenario: str, control: str, cut_at: int) -> list[Media]:
    """Every machine that may be found after the cut."""
    name, act, _ = SCENARIOS[scenario]
    system = switched_on(before(name, TARGETS[control]), Power(cut_at))
    with pytest.raises(PowerCut):
        act(system)
    return list(itertools.islice(system.aftermaths(seed=cut_at), 400))


@pytest.mark.parametrize(("scenario", "control", "cut_at"), CUTS)
def test_a_whole_version_starts_after_the_cut(scenario: str, control: str, cut_at: int) -> None:
    for media in cut(scenario, control, cut_at):
        assert starts(media) in SCENARIOS[scenario][2]


@pytest.mark.parametrize(("scenario", "control", "cut_at"), CUTS)
def test_every_entry_that_could_start_is_whole(scenario: str, control: str, cut_at: int) -> None:
    for media in cut(scenario, control, cut_at):
        for name in media.files:
            assert starts_by(media, name) in SEEDS


@pytest.mark.parametrize(("scenario", "control", "cut_at"), CUTS[::2])
def test_the_machine_goes_on_after_the_cut(scenario: str, control: str, cut_at: int) -> None:
    outcomes = cut(scenario, control, cut_at)
    for media in outcomes[:: max(len(outcomes) // 6, 1)]:
        came_back = after_good_boot(media)
        assert starts(came_back) == starts(media)
        system = switched_on(came_back)
        if str(system.running.release.version) != "1.0.2":
            update_to_next(system)
        assert starts(after_good_boot(system.off())) == "1.0.2"


@pytest.mark.parametrize(("scenario", "control", "cut_at"), CUTS)
def test_nothing_is_quarantined_for_a_power_cut_during_an_update(
    scenario: str, control: str, cut_at: int
) -> None:
    if "update" not in scenario:
        return
    for media in cut(scenario, control, cut_at)[:8]:
        system = switched_on(media)
        before_it = {one.root_hash for one in system.world.store.state().quarantined}
        steps.run(["assess"], system.world)
        after_it = {one.root_hash for one in system.world.store.state().quarantined}
        assert after_it == before_it


def lies(media: Media) -> bool:
    """Some entry leads to nothing whole."""
    try:
        for name in media.files:
            starts_by(media, name)
    except DoesNotStart:
        return True
    return False


class StickyEsp(RamEsp):
    """Says that it removed an entry."""

    def remove(self, name: str) -> None:
        del name


class DeafDisk(RamDisk):
    """A drive that takes a flush for a suggestion."""

    def flush(self) -> None:
        self._power.use()


class DeadDisk(RamDisk):
    """A disk on which nothing can be written, and which does not say so."""

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        del offset, data


def with_sticky_esp(system: RamSystem) -> None:
    small = system.esp.small
    system.esp = StickyEsp(system.esp.files, small=small, power=system.power, capacity=8 << 20)


def with_deaf_disk(system: RamSystem) -> None:
    system.whole = DeafDisk(len(system.media.table), power=system.power, content=system.media.table)


def with_deaf_slot(system: RamSystem) -> None:
    for label, content in system.media.partitions.items():
        system.partitions[label] = DeafDisk(len(content), power=system.power, content=content)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("spoil", [with_sticky_esp, with_deaf_disk])
def test_a_medium_that_does_not_do_as_told_is_found_out(spoil: Act, target: Target) -> None:
    """The tests above bite: without a removal or a flush, some cut leaves a lie."""
    found = []
    for cut_at in range(60):
        system = switched_on(before("older in the other slot", target), Power(cut_at))
        spoil(system)
        try:
            update_it(system)
        except PowerCut:
            found += list(itertools.islice(system.aftermaths(seed=cut_at), 400))
        except Fault:
            break
    assert any(map(lies, found))


def test_a_slot_that_does_not_keep_what_is_written_is_never_armed() -> None:
    system = switched_on(before("factory", UEFI))
    with_deaf_slot(system)
    with pytest.raises(UntrustedData, match="slot has root hash"):
        update_it(system)
    assert list(system.esp.files) == ["twinkeel_1.0.0.efi"]


def test_a_table_that_cannot_be_written_arms_nothing() -> None:
    system = switched_on(before("factory", UEFI))
    table = system.media.table
    system.whole = DeadDisk(len(table), power=system.power, content=table)
    with pytest.raises(HostFailure, match="partition table reads back differently"):
        update_it(system)
    assert starts(system.off()) == "1.0.0"
    assert list(system.esp.files) == ["twinkeel_1.0.0.efi"]
    assert system.world.store.state().armed is None


def test_a_kernel_image_is_never_seen_half_written() -> None:
    images = {
        uki
        for scenario, control, cut_at in CUTS
        for media in cut(scenario, control, cut_at)
        for uki in media.files.values()
    }
    assert images == {
        release(version, target).uki for version in SEEDS for target in TARGETS.values()
    }


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_the_stories_touch_every_medium(target: Target) -> None:
    system = switched_on(before("factory", target))
    update_it(system)
    assert system.whole.writes
    assert system.partitions["root-b"].writes
    assert not system.partitions["root-a"].writes
    assert system.esp.changes
