"""A run of the worker on a machine in memory."""

import io
import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from hostio.disk.systemdisk import read_table
from hostio.system.signals import Terminated
from osmodel.faults import Fault, HostFailure, InvalidInput, TransientFailure, UntrustedData
from osmodel.gpt import Partition
from osmodel.partitions import ESP_TYPE
from tests.fakes.payloads import KEYS, SmallRelease, signed_payload
from tests.fakes.ramdisk import RamDisk
from tests.fakes.ramesp import RamEsp, RamStaged
from tests.fakes.ramfile import RamFile
from tests.fakes.ramsystem import (
    NEW,
    NEXT,
    OLD,
    RamReleases,
    RamSystem,
    RamSystemDisk,
    bootable,
    factory_media,
    starts,
)
from update_engine.core.enginestate import Quarantined, Run
from update_engine.disarming import disarm
from update_engine.install.arming import write_table
from update_engine.install.sources import FromFile, FromRepository
from update_engine.status import NEED_REBOOT, status_of
from update_engine.store import Progress, Store
from update_engine.worker import Ending, Result, check, update
from update_engine.world import EngineWorld

ENTRY = "twinkeel_1.0.1+3-0.efi"


def machine(*releases: object) -> RamSystem:
    ram_releases = RamReleases(*(releases or (OLD, NEW)))  # type: ignore[arg-type] # small releases
    return RamSystem(factory_media(), ram_releases=ram_releases)


def updated(system: RamSystem) -> Result:
    return update(system.world, FromRepository(system.ram_releases))


def test_an_update_is_armed_and_waits_for_the_reboot() -> None:
    system = machine()
    assert updated(system) == Result(Ending.ARMED, "1.0.1")
    assert starts(system.off()) == "1.0.1"
    assert system.reboot_wanted.text == ""
    status = status_of(system.world)
    assert (status.operation, status.new_version) == (NEED_REBOOT, "1.0.1")
    assert (status.waiting_for, status.progress) == ("reboot", 1.0)
    assert status.passive is not None
    assert status.passive.assessment == "indeterminate"


def test_an_armed_update_is_not_written_again() -> None:
    system = machine()
    updated(system)
    writes = system.partitions["root-b"].writes
    assert updated(system) == Result(Ending.WAITING_FOR_REBOOT, "1.0.1")
    assert system.partitions["root-b"].writes == writes


def test_nothing_new_changes_nothing() -> None:
    system = machine(OLD)
    before = system.off()
    assert updated(system) == Result(Ending.NOTHING_NEW)
    after = system.off()
    assert (after.files, after.partitions, after.table) == (
        before.files,
        before.partitions,
        before.table,
    )


def test_a_check_installs_nothing() -> None:
    system = machine()
    assert check(system.world, FromRepository(system.ram_releases)) == Result(
        Ending.AVAILABLE, "1.0.1"
    )
    assert list(system.esp.files) == ["twinkeel_1.0.0.efi"]
    assert system.world.store.state().last_checked == system.world.now()


def test_a_quarantined_version_is_named_and_not_installed() -> None:
    system = machine()
    bad = Quarantined("1.0.1", NEW.release.root_hash, "it panicked", 1)
    system.world.store.change(lambda state: state.with_quarantined(bad))
    result = updated(system)
    assert result.ending is Ending.NOTHING_NEW
    assert result.text == "1.0.1 is quarantined on this machine: it panicked"
    assert system.world.store.state().objections == (result.text,)


def test_progress_is_published_and_gone_afterwards() -> None:
    system = machine()
    seen: list[Progress] = []
    update(system.world, FromRepository(system.ram_releases), seen.append)
    operations = [one.operation.removeprefix("UPDATE_STATUS_") for one in seen]
    assert operations[0] == "CHECKING_FOR_UPDATE"
    assert operations[-1] == "FINALIZING"
    assert "DOWNLOADING" in operations
    assert [one.progress for one in seen] == sorted(one.progress for one in seen)
    assert system.volatile["progress.json"].text is None


def test_status_follows_a_worker_while_it_lives() -> None:
    system = machine()
    record = Progress("UPDATE_STATUS_DOWNLOADING", "1.0.1", 9, 0.5, 4711)
    system.world.store.publish(record)
    assert status_of(system.world).operation == "UPDATE_STATUS_DOWNLOADING"
    system.world.store.publish(replace(record, pid=1))
    assert status_of(system.world).operation == "UPDATE_STATUS_IDLE"


def test_a_line_that_breaks_is_tried_again_in_the_same_run() -> None:
    system = machine()
    system.ram_releases.faults_while_reading = 2
    assert updated(system).ending is Ending.ARMED
    assert system.clock.naps == [15.0, 60.0]
    assert system.world.store.state().last_error is None


def forged(_: object) -> bytes:
    return bytes(signed_payload(NEW, KEYS[:1]))


def cut_short(_: object) -> bytes:
    return bytes(signed_payload(NEW))[:-5]


def of_another_release(_: object) -> bytes:
    return bytes(signed_payload(NEXT))


Spoil = Callable[[RamSystem], object]
FAULTS: dict[str, tuple[Spoil, type[Fault]]] = {
    "the mirror is down": (
        lambda system: setattr(system.ram_releases, "fault", TransientFailure("down")),
        TransientFailure,
    ),
    "the line never holds": (
        lambda system: setattr(system.ram_releases, "faults_while_reading", 99),
        TransientFailure,
    ),
    "too few signatures": (
        lambda system: setattr(system.ram_releases, "payload", forged),
        UntrustedData,
    ),
    "the payload is cut short": (
        lambda system: setattr(system.ram_releases, "payload", cut_short),
        UntrustedData,
    ),
    "another release's payload": (
        lambda system: setattr(system.ram_releases, "payload", of_another_release),
        UntrustedData,
    ),
    "the state cannot be written": (
        lambda system: setattr(
            system, "store", Store(FullFile(), system.boots_file, lambda _: RamFile(medium="run"))
        ),
        HostFailure,
    ),
}


class FullFile:
    """A file on a full file system."""

    text = None

    def read(self) -> str | None:
        return None

    def write(self, text: str) -> None:
        raise HostFailure(f"no space for {len(text)} bytes")

    def remove(self) -> None:
        raise HostFailure("no space")

    def prepare(self) -> None:
        raise HostFailure("no space")


@pytest.mark.parametrize("story", FAULTS)
def test_every_fault_leaves_the_old_version(story: str) -> None:
    spoil, kind = FAULTS[story]
    system = machine()
    spoil(system)
    with pytest.raises(kind):
        updated(system)
    assert starts(system.off()) == "1.0.0"
    assert list(system.esp.files) == ["twinkeel_1.0.0.efi"]
    assert system.esp.staged is None
    assert not system.locked


@pytest.mark.parametrize("story", list(FAULTS)[:5])
def test_every_fault_is_remembered_and_delays_the_next_run(story: str) -> None:
    spoil, kind = FAULTS[story]
    system = machine()
    spoil(system)
    with pytest.raises(kind):
        updated(system)
    state = system.world.store.state()
    assert state.last_error is not None
    assert state.last_error.kind == kind.kind
    assert state.failures == 1
    assert state.not_before == system.world.now() + 900
    assert (state.armed, state.writing) == (None, None)


@pytest.mark.parametrize("story", ["too few signatures", "another release's payload"])
def test_bad_metadata_touches_not_even_the_passive_entry(story: str) -> None:
    media = factory_media()
    older = bootable("0.9.0", 4)
    media.files["twinkeel_0.9.0.efi"] = older.uki
    system = RamSystem(media, ram_releases=RamReleases(NEW))
    FAULTS[story][0](system)
    with pytest.raises(UntrustedData):
        updated(system)
    assert "twinkeel_0.9.0.efi" in system.esp.files
    assert system.partitions["root-b"].writes == 0
    assert system.partitions["root-b-verity"].writes == 0
    assert system.esp.changes == 0
    assert system.whole.writes == 0


def test_success_forgets_earlier_faults() -> None:
    system = machine()
    system.ram_releases.fault = TransientFailure("down")
    with pytest.raises(TransientFailure):
        updated(system)
    system.ram_releases.fault = None
    updated(system)
    state = system.world.store.state()
    assert (state.last_error, state.failures, state.not_before) == (None, 0, 0)


def test_an_esp_without_room_is_found_out_before_anything_is_lost() -> None:
    system = machine(bootable("1.0.1", 1, padding=5 << 20))
    before = system.partitions["root-b"].writes
    result = updated(system)
    assert result.ending is Ending.BLOCKED
    assert "the ESP is too full" in result.text
    assert system.partitions["root-b"].writes == before


@pytest.mark.parametrize(("label", "room"), [("root-b", 8), ("root-b-verity", 1)])
def test_a_slot_that_is_too_small_is_found_out_before_anything_is_lost(
    label: str, room: int
) -> None:
    system = machine()
    disk = system.world.disk()
    with disk.whole() as whole:
        table = read_table(whole, disk.sector_size)
        small = [
            p._replace(last_lba=p.first_lba + room - 1) if p.label == label else p
            for p in table.partitions
        ]
        write_table(whole, table._replace(partitions=tuple(small)))
    result = updated(system)
    assert result.ending is Ending.BLOCKED
    assert f"partition {label} has {room * 512} bytes" in result.text
    assert not system.partitions[label].writes


def test_a_trial_is_not_updated() -> None:
    media = factory_media()
    media.files = {"twinkeel_1.0.0+2-1.efi": OLD.uki}
    system = RamSystem(media, ram_releases=RamReleases(NEW))
    result = updated(system)
    assert result.ending is Ending.BLOCKED
    assert "still on trial" in result.text


def test_a_known_trial_does_not_even_ask() -> None:
    system = machine()
    updated(system)
    media = system.off()
    media.files = {"twinkeel_1.0.1+2-1.efi": NEW.uki, "twinkeel_1.0.0.efi": OLD.uki}
    trial = RamSystem(media, NEW, RamReleases(NEXT))
    result = updated(trial)
    assert result.ending is Ending.BLOCKED
    assert trial.world.store.state().last_checked == system.world.now()


class ShrinkingEsp(RamEsp):
    """An ESP that another program fills after the preflight."""

    def stage(self) -> RamStaged:
        self._capacity = 0
        return super().stage()


def test_a_full_esp_half_way_leaves_the_old_version() -> None:
    system = machine()
    system.esp = ShrinkingEsp(system.esp.files, capacity=8 << 20, power=system.power)
    with pytest.raises(HostFailure, match="No space left"):
        updated(system)
    assert list(system.esp.files) == ["twinkeel_1.0.0.efi"]
    assert system.world.store.state().armed is None


def test_a_kernel_image_of_another_root_is_never_placed() -> None:
    system = machine(replace(NEW, uki=OLD.uki))
    with pytest.raises(UntrustedData, match=r"kernel image is of 1\.0\.0"):
        updated(system)
    assert list(system.esp.files) == ["twinkeel_1.0.0.efi"]


class ForgetfulEsp(RamEsp):
    """An ESP on which a placed entry does not stay."""

    def place(self, name: str) -> None:
        super().place(name)
        del self.files[name]


def test_an_entry_that_does_not_stay_is_not_called_armed() -> None:
    system = machine()
    system.esp = ForgetfulEsp(system.esp.files, capacity=8 << 20, power=system.power)
    with pytest.raises(HostFailure, match="vanished"):
        updated(system)
    assert system.world.store.state().armed is None


class RottingStaged(RamStaged):
    """A staged file that reads back differently."""

    def read(self, offset: int, length: int) -> bytes:
        return bytes(len(super().read(offset, length)))


class RottingEsp(RamEsp):
    """An ESP on a medium that rots."""

    def stage(self) -> RamStaged:
        super().stage()
        return RottingStaged(self)


def test_a_kernel_image_that_reads_back_differently_is_never_placed() -> None:
    system = machine()
    system.esp = RottingEsp(system.esp.files, capacity=8 << 20, power=system.power)
    with pytest.raises(HostFailure, match="reads back differently"):
        updated(system)
    assert list(system.esp.files) == ["twinkeel_1.0.0.efi"]


class BitFlip(RamDisk):
    """A device that changes what it is given."""

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        changed = bytearray(data)
        changed[-1] ^= 1
        super().write(offset, changed)


def test_a_slot_that_flips_bits_is_never_armed() -> None:
    system = machine()
    system.partitions["root-b"] = BitFlip(system.partitions["root-b"].size, power=system.power)
    with pytest.raises(UntrustedData, match="root hash"):
        updated(system)
    assert starts(system.off()) == "1.0.0"


def disarmed(world: EngineWorld) -> object:
    with world.lock():
        return disarm(world)


def test_an_armed_version_can_be_taken_back() -> None:
    system = machine()
    updated(system)
    assert disarmed(system.world) is not None
    assert list(system.esp.files) == ["twinkeel_1.0.0.efi"]
    assert system.world.store.state().armed is None
    assert disarmed(system.world) is None


def test_a_started_version_cannot_be_taken_back() -> None:
    system = machine()
    updated(system)
    assert disarmed(RamSystem(system.off(), NEW).world) is None


def payload_file(place: Path, content: bytes) -> Path:
    path = place / "full.payload"
    path.write_bytes(content)
    return path


def test_a_payload_from_a_usb_drive_is_installed(tmp_path: Path) -> None:
    system = machine()
    path = payload_file(tmp_path, bytes(signed_payload(NEW)))
    result = update(system.world, FromFile(path, system.ram_releases))
    assert result == Result(Ending.ARMED, "1.0.1")


def test_a_payload_from_a_usb_drive_needs_as_many_signatures(tmp_path: Path) -> None:
    system = machine()
    path = payload_file(tmp_path, bytes(signed_payload(NEW, KEYS[:1])))
    with pytest.raises(UntrustedData):
        update(system.world, FromFile(path, system.ram_releases))
    assert system.esp.changes == 0


def test_an_old_payload_from_a_usb_drive_is_not_installed(tmp_path: Path) -> None:
    system = machine()
    path = payload_file(tmp_path, bytes(signed_payload(bootable("0.9.0", 4))))
    assert update(system.world, FromFile(path, system.ram_releases)).ending is Ending.NOTHING_NEW


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    system = machine()
    with pytest.raises(InvalidInput, match=r"nothing\.payload: No such file"):
        update(system.world, FromFile(tmp_path / "nothing.payload", system.ram_releases))


def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    system = machine()
    source = FromFile(payload_file(tmp_path, bytes(signed_payload(NEW))), system.ram_releases)
    payload_file(tmp_path, bytes(signed_payload(NEXT)))
    with pytest.raises(UntrustedData, match="changed"), source.opened(NEW.release):
        pass


def test_a_damaged_state_does_not_keep_a_machine_from_updates() -> None:
    system = machine()
    system.state.text = '{"format": 1, "floor":'
    assert updated(system).ending is Ending.ARMED
    assert system.state.text is not None
    assert json.loads(system.state.text)["armed"]["version"] == "1.0.1"


def ended_by_sigterm(_: object) -> bytes:
    raise Terminated


def test_a_run_that_is_ended_leaves_its_trace() -> None:
    system = machine()
    system.ram_releases.payload = ended_by_sigterm
    with pytest.raises(Terminated):
        updated(system)
    state = system.world.store.state()
    assert state.last_error is not None
    assert (state.last_error.kind, state.last_error.message) == ("transient", "ended by SIGTERM")
    assert (state.failures, state.not_before) == (1, system.world.now() + 900)
    assert system.volatile["progress.json"].text is None
    system.ram_releases.payload = RamReleases().payload
    assert updated(system).ending is Ending.ARMED
    assert system.world.store.state().failures == 0


def test_every_ending_of_a_run_is_remembered() -> None:
    system = machine(bootable("1.0.1", 1, padding=5 << 20))
    result = updated(system)
    run = system.world.store.state().last_run
    assert run == Run("blocked", "1.0.1", result.text, result.hint, system.world.now())
    status = status_of(system.world)
    assert status.last_run == run
    system.ram_releases.releases = (NEW,)
    check(system.world, FromRepository(system.ram_releases))
    assert system.world.store.state().last_run == Run(
        "available", "1.0.1", "", "", system.world.now()
    )


def test_a_partition_that_was_added_meanwhile_stays() -> None:
    system = machine()
    added = Partition(ESP_TYPE, "12345678-1234-4234-8234-123456789abc", 960, 970, 0, "data", 7)

    def while_writing(small: SmallRelease) -> bytes:
        table = RamSystemDisk(system).table()
        write_table(system.whole, table._replace(partitions=(*table.partitions, added)))
        return bytes(signed_payload(small))

    system.ram_releases.payload = while_writing
    assert updated(system).ending is Ending.ARMED
    assert RamSystemDisk(system).table().find("data") == added
    assert starts(system.off()) == "1.0.1"


@pytest.mark.parametrize("label", ["root-a", "root-b", "root-b-verity"])
def test_a_slot_that_was_moved_meanwhile_is_not_armed(label: str) -> None:
    system = machine()

    def progressed(done: Progress) -> None:
        if done.operation.endswith("FINALIZING"):
            table = RamSystemDisk(system).table()
            moved = tuple(
                part._replace(last_lba=part.last_lba - 1) if part.label == label else part
                for part in table.partitions
            )
            write_table(system.whole, table._replace(partitions=moved))

    with pytest.raises(HostFailure, match=f"partition {label} was changed"):
        update(system.world, FromRepository(system.ram_releases), progressed)
    assert starts(system.off()) == "1.0.0"
    assert list(system.esp.files) == ["twinkeel_1.0.0.efi"]


def test_an_armed_version_without_an_entry_is_installed_again() -> None:
    system = machine()
    updated(system)
    del system.esp.files[ENTRY]
    with system.world.lock(), system.world.boot():
        pass
    assert status_of(system.world).operation == "UPDATE_STATUS_IDLE"
    assert updated(system).ending is Ending.ARMED
    assert ENTRY in system.esp.files


def test_a_quarantined_version_is_let_out_under_the_lock() -> None:
    system = machine()
    bad = Quarantined("1.0.1", NEW.release.root_hash, "it panicked", 1)
    system.world.store.change(lambda state: state.with_quarantined(bad))

    def taken() -> AbstractContextManager[None]:
        raise TransientFailure("another update operation is running")

    with pytest.raises(TransientFailure):
        update(
            replace(system.world, lock=taken), FromRepository(system.ram_releases), retry="1.0.1"
        )
    assert system.world.store.state().quarantined == (bad,)
    result = update(system.world, FromRepository(system.ram_releases), retry="1.0.1")
    assert result.ending is Ending.ARMED


class UnreadableMedium(io.BytesIO):
    """A USB drive that stops in the middle."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 20000:
            raise OSError(5, "Input/output error")
        return super().read(size)


def test_a_medium_that_cannot_be_read_is_no_bug(tmp_path: Path) -> None:
    system = machine()
    path = payload_file(tmp_path, bytes(signed_payload(NEW)))
    source = FromFile(path, system.ram_releases, lambda path: UnreadableMedium(path.read_bytes()))
    with pytest.raises(HostFailure, match=r"full\.payload: Input/output error"):
        update(system.world, source)
    state = system.world.store.state()
    assert (state.writing, state.armed) == (None, None)
    assert state.last_error is not None


def test_a_pipe_is_no_payload(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="not a regular file"):
        update(machine().world, FromFile(tmp_path / "pipe", RamReleases()))
