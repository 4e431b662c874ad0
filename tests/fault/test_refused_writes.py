"""Writes fail at every place of every program: a full disk, a bad sector, a read-only file system.

Whatever cannot be written, the machine stays one that boots, a bad version is
left, a good one is kept, and no boot counts as failed for a write.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from hostio.files.preallocated import PreallocatedFile
from hostio.files.statefiles import DirectoryArchive, VolatileFile
from hostio.system.runner import Command, LocalRunner
from osmodel import bootlog
from osmodel.bootlog import NOTE, Stage, parse_note
from osmodel.faults import Fault, HostFailure
from tests.fakes import ramsystem
from tests.fakes.ramdisk import Refusing
from tests.fakes.ramsystem import (
    NEW,
    NEXT,
    OLD,
    Media,
    RamReleases,
    RamSystem,
    factory_media,
    starts,
    updated_machine,
)
from update_engine.boot import steps
from update_engine.boot.health import examine
from update_engine.core import enginestate
from update_engine.core.health import Health
from update_engine.disarming import disarm
from update_engine.install.sources import FromRepository
from update_engine.rollback import roll_back_now
from update_engine.status import status_of
from update_engine.store import Store
from update_engine.worker import Ending, check, update

Refuses = Callable[[int, str], str]
RELEASES = {"1.0.0": OLD, "1.0.1": NEW, "1.0.2": NEXT}


def machine(media: Media, refuses: Refuses = lambda _number, _medium: "") -> RamSystem:
    """The machine after its loader and its initrd did their part."""
    running = RELEASES[starts(media)]
    made = RamSystem(
        ramsystem.switched_on(media), running, RamReleases(OLD, NEW, NEXT), Refusing(refuses)
    )
    log = made.world.store.boot_log().begun(running.release.root_hash, made.boot_id)
    made.boots_file.text = bootlog.encode(log.reached(made.boot_id, Stage.USERSPACE))
    return made


def updated(system: RamSystem) -> None:
    update(system.world, FromRepository(system.ram_releases))


def steps_of(*names: str) -> Callable[[RamSystem], None]:
    def run(system: RamSystem) -> None:
        steps.run(names, system.world)

    return run


def fails_its_checks(system: RamSystem) -> None:
    system.failing_checks = {"20-network": "no link has an address"}
    examine(system.world, [Path("/usr/lib/update-engine/health.d/20-network")])


def armed_media() -> Media:
    system = RamSystem(factory_media(), ram_releases=RamReleases(NEW))
    steps.run(["assess", "bless"], system.world)
    updated(system)
    return system.off()


def fallen_back_media() -> Media:
    media = armed_media()
    media.files = {"twinkeel_1.0.0.efi": OLD.uki, "twinkeel_1.0.1+0-3.efi": NEW.uki}
    return media


def rolled_back_media() -> Media:
    system = updated_machine()
    roll_back_now(system.world)
    return system.off()


BEFORE: dict[str, Callable[[], Media]] = {
    "as shipped": factory_media,
    "armed": armed_media,
    "fallen back": fallen_back_media,
    "updated": lambda: updated_machine().off(),
    "rolled back": rolled_back_media,
}


def taken_back(system: RamSystem) -> None:
    with system.world.lock():
        disarm(system.world)


PROGRAMS: dict[str, tuple[str, Callable[[RamSystem], object]]] = {
    "first boot": ("as shipped", steps_of("assess", "health", "bless", "stable", "end")),
    "first boot of an update": ("armed", steps_of("assess", "health", "bless", "stable", "end")),
    "boot after a fall-back": ("fallen back", steps_of("assess", "health", "bless", "end")),
    "boot after a rollback": ("rolled back", steps_of("assess", "health", "bless", "end")),
    "failing checks": ("armed", fails_its_checks),
    "deadline": ("armed", steps_of("deadline")),
    "check": ("updated", lambda system: check(system.world, FromRepository(system.ram_releases))),
    "update": ("updated", updated),
    "rollback": ("updated", lambda system: roll_back_now(system.world)),
    "taking an update back": ("armed", lambda system: taken_back(machine_of_old(system))),
}


def machine_of_old(system: RamSystem) -> RamSystem:
    """The same machine before it was restarted into the update."""
    return replace(system, running=OLD)


def writes_of(name: str) -> int:
    before, program = PROGRAMS[name]
    system = machine(BEFORE[before]())
    program(system)
    assert isinstance(system.power, Refusing)
    return system.power.writes


CASES = [
    (name, number, lasting)
    for name in PROGRAMS
    for number in range(writes_of(name))
    for lasting in (False, True)
]


def run(name: str, refuses: Refuses) -> RamSystem:
    """Run a program to its end, whichever it is."""
    before, program = PROGRAMS[name]
    system = machine(BEFORE[before](), refuses)
    with suppress(Fault):  # anything else is a bug
        program(system)
    return system


@pytest.mark.parametrize(("name", "number", "lasting"), CASES)
def test_a_whole_version_boots_whatever_was_refused(
    name: str,
    number: int,
    lasting: bool,  # noqa: FBT001 - a table
) -> None:
    def refuses(this: int, _: str) -> str:
        return "Input/output error" if this == number or (lasting and this > number) else ""

    system = run(name, refuses)
    assert isinstance(system.power, Refusing)
    assert system.power.refused
    system.power.heal()
    assert starts(system.off()) in RELEASES
    # And the machine goes on as if nothing had been.
    after = machine(system.off())
    steps.run(["assess", "health", "bless", "end"], after.world)
    assert status_of(after.world).health == "healthy"
    result = update(after.world, FromRepository(after.ram_releases))
    assert result.ending in (Ending.ARMED, Ending.NOTHING_NEW)
    assert starts(after.off()) in RELEASES


def refusing(*media: str) -> Refuses:
    return lambda _number, medium: "No space left on device" if medium in media else ""


PLACES = ("state", "run", "var")
EVERY_SET = [
    chosen
    for count in range(1, len(PLACES) + 1)
    for chosen in itertools.combinations(PLACES, count)
]


@pytest.mark.parametrize("media", EVERY_SET, ids="+".join)
def test_a_bad_version_is_left_whatever_is_full(media: tuple[str, ...]) -> None:
    for program in ("failing checks", "deadline"):
        assert run(program, refusing(*media)).rebooting


def test_the_deadline_reboots_a_failed_trial_that_is_still_up() -> None:
    system = run("failing checks", refusing("var"))
    system.restarts.reboots.clear()
    assert status_of(system.world).health == "unhealthy"
    assert steps.run(["deadline"], system.world) == 1
    assert system.rebooting


def test_a_failed_trial_is_left_by_force_if_systemd_refuses() -> None:
    system = machine(armed_media())
    system.restarts.fault = HostFailure("exit 1: systemctl reboot")
    fails_its_checks(system)
    assert system.restarts.reboots == ["forced"]


@pytest.mark.parametrize("media", EVERY_SET, ids="+".join)
def test_a_good_version_is_kept_whatever_is_full(media: tuple[str, ...]) -> None:
    system = run("first boot of an update", refusing(*media))
    assert "twinkeel_1.0.1.efi" in system.esp.files
    assert system.world.store.verdict().health is not Health.UNHEALTHY
    if "state" not in media:
        assert system.world.store.state().floor == "1.0.1"


@pytest.mark.parametrize("media", EVERY_SET, ids="+".join)
def test_no_boot_counts_as_failed_for_a_write(media: tuple[str, ...]) -> None:
    system = run("first boot of an update", refusing(*media))
    log = system.world.store.boot_log()
    log = log.with_noted(parse_note(system.esp.small.get(NOTE)))
    assert log.unstable_in_a_row(NEW.release.root_hash) == 0


def test_what_could_not_be_kept_is_shown_until_the_next_boot() -> None:
    system = run("boot after a fall-back", refusing("state"))
    problem = status_of(system.world).last_error
    assert problem is not None
    assert "state: No space left on device" in problem.message


@pytest.fixture
def full_var(tmp_path: Path) -> Iterator[Path]:
    """The file system of a state partition, as systemd-repart makes it, without a free block."""
    image, place = tmp_path / "state.img", tmp_path / "var"
    place.mkdir()
    with image.open("wb") as disk:
        disk.truncate(16 << 20)
    runner = LocalRunner()
    runner.run(Command(["mkfs.ext4", "-q", "-m", "0", str(image)]))
    runner.run(Command(["mount", "-o", "loop", str(image), str(place)]))
    try:
        yield place
    finally:
        runner.run(Command(["umount", str(place)]))


def fill(place: Path) -> None:
    for size in (1 << 20, 4096):
        with (place / f"fill-{size}").open("wb", buffering=0) as file:
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue


@pytest.mark.root
def test_an_update_on_a_really_full_disk_is_armed_blessed_and_stable(
    full_var: Path, tmp_path: Path
) -> None:
    boots = PreallocatedFile(full_var / "starts.json", capacity=bootlog.SIZE)

    def on_disk(system: RamSystem) -> RamSystem:
        system.archive = DirectoryArchive(full_var / "failures")
        system.store = Store(
            PreallocatedFile(full_var / "state.json", capacity=enginestate.SIZE),
            boots,
            lambda name: VolatileFile(tmp_path / "run" / name),
        )
        # What the initrd writes.
        log = system.store.boot_log().begun(system.running.release.root_hash, system.boot_id)
        boots.write(bootlog.encode(log))
        return system

    first = on_disk(machine(factory_media()))
    assert steps.run(["assess", "health", "bless"], first.world) == 0
    fill(full_var)
    with pytest.raises(OSError, match="No space left"):
        (full_var / "one-more").write_bytes(bytes(4096))
    updated(first)
    second = on_disk(machine(first.off()))
    assert steps.run(["assess", "health", "bless", "end"], second.world) == 0
    state = second.world.store.state()
    assert (state.floor, state.armed) == ("1.0.2", None)
    assert second.world.store.boot_log().stage_of(second.boot_id) is Stage.STABLE
