"""The power fails at every operation of an update, a blessing and a rollback.

Whatever each medium kept of its unflushed writes, the machine that comes back
must start a whole version at once: the old one or the new one.
"""

import itertools
from collections.abc import Callable
from functools import cache

import pytest

from osmodel.bootentry import parse
from osmodel.faults import Fault, HostFailure, UntrustedData
from osmodel.startledger import Ledger, encode
from tests.fakes.ramdisk import Power, PowerCut, RamDisk
from tests.fakes.ramesp import RamEsp
from tests.fakes.ramsystem import (
    NEW,
    NEXT,
    OLD,
    DoesNotStart,
    Media,
    RamSystem,
    Shelf,
    bootable,
    factory_media,
    starts,
)
from update_engine import bootsteps
from update_engine.returning import go_back
from update_engine.trusting.sources import FromRepository
from update_engine.updating import Ending, update

OLDER = bootable("0.9.0", 4)
BY_VERSION = {str(one.release.version): one for one in (OLDER, OLD, NEW, NEXT)}
Act = Callable[[RamSystem], None]


def switched_on(media: Media, power: Power | None = None) -> RamSystem:
    """The machine after loader and initrd did their part."""
    version = starts(media)
    files = dict(media.files)
    for name in list(files):
        entry = parse(name)
        if entry.version == version:
            files[entry.after_boot().filename] = files.pop(name)
    on = Media(media.table, media.partitions, files, media.state, media.starts)
    system = RamSystem(on, BY_VERSION[version], Shelf(OLDER, OLD, NEW), power or Power())
    ledger = Ledger().begun(system.running.release.root_hash, system.boot_id)
    system.starts_file.text = encode(ledger)
    return system


def update_it(system: RamSystem) -> None:
    assert update(system.world, FromRepository(system.shelf)).ending is Ending.ARMED


def start_well(system: RamSystem) -> None:
    bootsteps.run(["reckon", "bless", "settle"], system.world)


def roll_back(system: RamSystem) -> None:
    go_back(system.world)


def after_update(media: Media) -> Media:
    system = switched_on(media)
    update_it(system)
    return system.off()


def after_good_start(media: Media) -> Media:
    system = switched_on(media)
    start_well(system)
    return system.off()


@cache
def before(name: str) -> Media:
    """A machine at the beginning of a story."""
    if name == "factory":
        return factory_media()
    if name == "older in the other slot":
        # Installed as 0.9.0, updated to 1.0.0: which slot is which does not matter.
        system = RamSystem(factory_media(OLDER), OLDER, Shelf(OLD))
        update_it(system)
        return after_good_start(system.off())
    if name == "armed":
        return after_update(factory_media())
    if name == "updated":
        return after_good_start(before("armed"))
    assert name == "rolled back"
    system = switched_on(before("updated"))
    roll_back(system)
    return system.off()


def update_to_next(system: RamSystem) -> None:
    system.shelf.releases = (OLD, NEW, NEXT)
    update_it(system)


STORIES: dict[str, tuple[str, Act, set[str]]] = {
    "first update": ("factory", update_it, {"1.0.0", "1.0.1"}),
    "update over an old slot": ("older in the other slot", update_it, {"1.0.0", "1.0.1"}),
    "update over a given up slot": (
        "rolled back",
        update_to_next,
        {"1.0.0", "1.0.2"},
    ),
    "blessing": ("armed", start_well, {"1.0.1"}),
    "rollback": ("updated", roll_back, {"1.0.0", "1.0.1"}),
}


def operations_of(story: str) -> int:
    name, act, _ = STORIES[story]
    system = switched_on(before(name))
    act(system)
    return system.power.operations


CUTS = [(story, cut_at) for story in STORIES for cut_at in range(operations_of(story))]


def cut(story: str, cut_at: int) -> list[Media]:
    """Every machine that may be found after the cut."""
    name, act, _ = STORIES[story]
    system = switched_on(before(name), Power(cut_at))
    with pytest.raises(PowerCut):
        act(system)
    return list(itertools.islice(system.aftermaths(seed=cut_at), 400))


@pytest.mark.parametrize(("story", "cut_at"), CUTS)
def test_a_whole_version_starts_after_the_cut(story: str, cut_at: int) -> None:
    for media in cut(story, cut_at):
        assert starts(media) in STORIES[story][2]


@pytest.mark.parametrize(("story", "cut_at"), CUTS)
def test_every_entry_that_could_start_is_whole(story: str, cut_at: int) -> None:
    for media in cut(story, cut_at):
        for name in media.files:
            alone = Media(media.table, media.partitions, {name: media.files[name]})
            assert starts(alone) == parse(name).version


@pytest.mark.parametrize(("story", "cut_at"), CUTS[::2])
def test_the_machine_goes_on_after_the_cut(story: str, cut_at: int) -> None:
    outcomes = cut(story, cut_at)
    for media in outcomes[:: max(len(outcomes) // 6, 1)]:
        came_back = after_good_start(media)
        assert starts(came_back) == starts(media)
        system = switched_on(came_back)
        if system.running is not NEXT:
            update_to_next(system)
        assert starts(after_good_start(system.off())) == "1.0.2"


@pytest.mark.parametrize(("story", "cut_at"), CUTS)
def test_nobody_is_quarantined_for_a_power_cut_during_an_update(story: str, cut_at: int) -> None:
    if "update" not in story:
        return
    for media in cut(story, cut_at)[:8]:
        system = switched_on(media)
        before_it = {one.root_hash for one in system.world.memory.state().quarantined}
        bootsteps.run(["reckon"], system.world)
        after_it = {one.root_hash for one in system.world.memory.state().quarantined}
        assert after_it == before_it


def lies(media: Media) -> bool:
    """Some entry leads to nothing whole."""
    try:
        for name, uki in media.files.items():
            starts(Media(media.table, media.partitions, {name: uki}))
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
    system.esp = StickyEsp(system.esp.files, power=system.power, capacity=8 << 20)


def with_deaf_disk(system: RamSystem) -> None:
    system.whole = DeafDisk(len(system.media.table), power=system.power, content=system.media.table)


def with_deaf_slot(system: RamSystem) -> None:
    for label, content in system.media.partitions.items():
        system.partitions[label] = DeafDisk(len(content), power=system.power, content=content)


@pytest.mark.parametrize("spoil", [with_sticky_esp, with_deaf_disk])
def test_a_medium_that_does_not_do_as_told_is_found_out(spoil: Act) -> None:
    """The tests above bite: without a removal or a flush, some cut leaves a lie."""
    found = []
    for cut_at in range(60):
        system = switched_on(before("older in the other slot"), Power(cut_at))
        spoil(system)
        try:
            update_it(system)
        except PowerCut:
            found += list(itertools.islice(system.aftermaths(seed=cut_at), 400))
        except Fault:
            break
    assert any(map(lies, found))


def test_a_slot_that_does_not_keep_what_is_written_is_never_armed() -> None:
    system = switched_on(before("factory"))
    with_deaf_slot(system)
    with pytest.raises(UntrustedData, match="slot has root hash"):
        update_it(system)
    assert list(system.esp.files) == ["twinkeel_1.0.0.efi"]


def test_a_table_that_cannot_be_written_arms_nothing() -> None:
    system = switched_on(before("factory"))
    table = system.media.table
    system.whole = DeadDisk(len(table), power=system.power, content=table)
    with pytest.raises(HostFailure, match="partition table reads back differently"):
        update_it(system)
    assert starts(system.off()) == "1.0.0"
    assert list(system.esp.files) == ["twinkeel_1.0.0.efi"]
    assert system.world.memory.state().armed is None


def test_a_kernel_image_is_never_seen_half_written() -> None:
    images = {
        uki
        for story, cut_at in CUTS
        for media in cut(story, cut_at)
        for uki in media.files.values()
    }
    assert images == {one.uki for one in BY_VERSION.values()}


def test_the_stories_touch_every_medium() -> None:
    system = switched_on(before("factory"))
    update_it(system)
    assert system.whole.writes
    assert system.partitions["root-b"].writes
    assert not system.partitions["root-a"].writes
    assert system.esp.changes
