"""Going back to the other slot, and coming back if it does not boot."""

import pytest

from osmodel.faults import HostFailure
from tests.fakes import ramsystem
from tests.fakes.ramsystem import (
    NEW,
    NEXT,
    OLD,
    RamReleases,
    RamSystem,
    factory_media,
    starts,
    updated_machine,
)
from update_engine.boot import steps
from update_engine.core.preflight import Blocked
from update_engine.disarming import disarm
from update_engine.install.sources import FromRepository
from update_engine.rollback import roll_back_now
from update_engine.status import NEED_REBOOT, status_of
from update_engine.worker import Ending, update


def booted(system: RamSystem) -> RamSystem:
    """The machine after a restart: loader and initrd did their part."""
    media = system.off()
    running = {"1.0.0": OLD, "1.0.1": NEW}[starts(media)]
    return RamSystem(ramsystem.switched_on(media), running, RamReleases(NEW, NEXT))


def refusal(system: RamSystem) -> str:
    before = dict(system.esp.files), system.world.store.state().quarantined
    decision = roll_back_now(system.world)
    assert isinstance(decision, Blocked)
    assert (dict(system.esp.files), system.world.store.state().quarantined) == before
    return decision.text


def test_an_operator_can_roll_back() -> None:
    system = updated_machine()
    roll_back_now(system.world)
    assert sorted(system.esp.files) == ["twinkeel_1.0.0+3-0.efi", "twinkeel_1.0.1+0-1.efi"]
    status = status_of(system.world)
    assert (status.operation, status.new_version, status.waiting_for) == (
        NEED_REBOOT, "1.0.0", "reboot",
    )  # fmt: skip
    back = booted(system)
    assert back.running is OLD
    steps.run(["assess", "bless"], back.world)
    assert sorted(back.esp.files) == ["twinkeel_1.0.0.efi", "twinkeel_1.0.1+0-1.efi"]


def test_what_was_left_is_not_installed_again() -> None:
    system = updated_machine()
    roll_back_now(system.world)
    back = booted(system)
    steps.run(["assess", "bless"], back.world)
    back.ram_releases.releases = (NEW,)
    result = update(back.world, FromRepository(back.ram_releases))
    assert result.text == "1.0.1 is quarantined on this machine: rolled back by an operator"
    back.ram_releases.releases = (NEW, NEXT)
    assert update(back.world, FromRepository(back.ram_releases)).version == "1.0.2"


def test_a_version_that_does_not_boot_any_more_leads_back_here() -> None:
    system = updated_machine()
    roll_back_now(system.world)
    tried = []
    for _ in range(4):
        system = booted(system)
        tried.append(str(system.running.release.version))
    assert tried == ["1.0.0"] * 3 + ["1.0.1"]
    steps.run(["assess", "bless"], system.world)
    assert "twinkeel_1.0.1.efi" in system.esp.files
    assert status_of(system.world).health == "healthy"


@pytest.mark.parametrize("offset", [0, 1024, 5000, 4096 * 9])
def test_a_rotten_root_is_found_before_anything_changes(offset: int) -> None:
    system = updated_machine()
    system.partitions["root-a"].durable[offset] ^= 1
    assert "1.0.0 in the other slot is damaged: slot has root hash" in refusal(system)


def test_a_rotten_hash_tree_is_found_before_anything_changes() -> None:
    system = updated_machine()
    system.partitions["root-a-verity"].durable[4096 + 7] ^= 1
    assert "the verity tree is damaged" in refusal(system)


def test_a_rotten_superblock_is_found_before_anything_changes() -> None:
    system = updated_machine()
    system.partitions["root-a-verity"].durable[0] ^= 1
    assert "1.0.0 in the other slot is damaged" in refusal(system)


def test_a_kernel_image_that_rotted_where_nothing_names_it_is_found() -> None:
    system = updated_machine()
    content = bytearray(system.esp.files["twinkeel_1.0.0.efi"])
    content[-1] ^= 1
    system.esp.files["twinkeel_1.0.0.efi"] = bytes(content)
    assert "its kernel image is not the one that was good" in refusal(system)


def test_a_slot_that_cannot_be_read_is_no_way_back(monkeypatch: pytest.MonkeyPatch) -> None:
    system = updated_machine()

    def broken(offset: int, length: int) -> bytes:
        raise HostFailure(f"read {length} bytes at {offset}: Input/output error")

    monkeypatch.setattr(system.partitions["root-a"], "read", broken)
    assert "Input/output error" in refusal(system)


def test_a_slot_that_was_given_other_content_is_no_way_back() -> None:
    system = updated_machine()
    system.esp.files["twinkeel_1.0.0.efi"] = NEXT.uki
    assert "no slot of the disk holds its root" in refusal(system)


def test_there_is_no_rollback_to_what_is_not_good() -> None:
    assert "no good version" in refusal(RamSystem(factory_media()))


def test_a_rollback_can_be_taken_back_before_the_reboot() -> None:
    system = updated_machine()
    roll_back_now(system.world)
    with system.world.lock():
        assert disarm(system.world) is not None
    assert booted(system).running is NEW
    state = system.world.store.state()
    assert (state.armed, state.quarantined) == (None, ())
    assert (
        status_of(system.world).waiting_for == "health-checks"
        or not status_of(system.world).new_version
    )
    # And asked for again.
    roll_back_now(system.world)
    assert booted(system).running is OLD


def test_no_update_is_installed_over_a_rollback_that_waits() -> None:
    system = updated_machine()
    roll_back_now(system.world)
    system.ram_releases.releases = (NEXT,)
    assert (
        update(system.world, FromRepository(system.ram_releases)).ending
        is Ending.WAITING_FOR_REBOOT
    )
