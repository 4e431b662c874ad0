"""A release for another kind of machine is refused before a byte is written."""

from pathlib import Path

import pytest

from osmodel.faults import InvalidInput, UntrustedData
from osmodel.platforms import Target
from tests.fakes.payloads import SmallRelease, signed_payload
from tests.fakes.ramsystem import (
    RASPBERRY_PI,
    UEFI,
    RamReleases,
    RamSystem,
    bootable,
    factory_media,
)
from update_engine.install.sources import FromFile, FromRepository
from update_engine.worker import Ending, check, update

ARM = Target("arm64")
KINDS = {"pc": UEFI, "arm server": ARM, "raspberry pi": RASPBERRY_PI}
PAIRS = [(mine, theirs) for mine in KINDS for theirs in KINDS if mine != theirs]
COMPLAINTS = {
    ("pc", "arm server"): "it is for machine arm64, this is x86_64",
    ("pc", "raspberry pi"): "it is for machine arm64, this is x86_64",
    ("arm server", "pc"): "it is for machine x86_64, this is arm64",
    ("arm server", "raspberry pi"): "it is for platform raspberrypi, this is uefi",
    ("raspberry pi", "pc"): "it is for machine x86_64, this is arm64",
    ("raspberry pi", "arm server"): "it is for platform uefi, this is raspberrypi",
}


def release(version: str, kind: str, seed: int) -> SmallRelease:
    return bootable(version, seed, target=KINDS[kind])


def machine(mine: str, *offered: SmallRelease) -> RamSystem:
    running = release("1.0.0", mine, 2)
    return RamSystem(factory_media(running), running, RamReleases(*offered))


def is_untouched(system: RamSystem, mine: str) -> bool:
    before, after = factory_media(release("1.0.0", mine, 2)), system.off()
    written = [system.whole.writes, *(disk.writes for disk in system.partitions.values())]
    return (
        not any(written)
        and not system.esp.changes
        and (after.table, after.files, after.small) == (before.table, before.files, before.small)
        and system.world.store.state().writing is None
        and system.world.store.state().armed is None
    )


@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
def test_a_foreign_payload_file_is_refused(mine: str, theirs: str, tmp_path: Path) -> None:
    system = machine(mine)
    path = tmp_path / "full.payload"
    path.write_bytes(bytes(signed_payload(release("1.0.1", theirs, 1))))
    with pytest.raises(InvalidInput, match=COMPLAINTS[mine, theirs]):
        update(system.world, FromFile(path, system.ram_releases))
    assert is_untouched(system, mine)


@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
def test_a_foreign_release_of_a_repository_is_passed_over(mine: str, theirs: str) -> None:
    system = machine(mine, release("1.0.1", theirs, 1))
    source = FromRepository(system.ram_releases)
    assert check(system.world, source).ending is Ending.NOTHING_NEW
    assert update(system.world, source).ending is Ending.NOTHING_NEW
    assert is_untouched(system, mine)


@pytest.mark.parametrize("mine", KINDS)
def test_of_many_releases_the_own_one_is_installed(mine: str) -> None:
    offered = [release("1.0.9", kind, 5) for kind in KINDS if kind != mine]
    system = machine(mine, *offered, release("1.0.1", mine, 1))
    assert update(system.world, FromRepository(system.ram_releases)).version == "1.0.1"


@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
def test_a_mirror_that_serves_a_foreign_payload_is_found_out(mine: str, theirs: str) -> None:
    own = release("1.0.1", mine, 1)
    system = machine(mine, own)
    system.ram_releases.payload = lambda _: bytes(signed_payload(release("1.0.1", theirs, 1)))
    with pytest.raises(UntrustedData, match=r"payload is of minimal 1\.0\.1 for "):
        update(system.world, FromRepository(system.ram_releases))
    assert is_untouched(system, mine)
