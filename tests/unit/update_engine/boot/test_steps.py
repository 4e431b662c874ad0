"""What the engine does at each boot of a machine in memory."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from hostio.disk.esp import Esp
from hostio.files.dropins import Problem, Severity
from hostio.system.runner import Command
from osmodel.bootlog import BootLog, Stage, encode
from osmodel.faults import HostFailure, TransientFailure
from tests.fakes.ramarchive import RamArchive
from tests.fakes.ramsystem import NEW, OLD, Media, RamReleases, RamSystem, factory_media
from tests.fakes.runner import failing
from update_engine.boot import steps
from update_engine.boot.health import conclude, examine, find_checks
from update_engine.core import enginestate
from update_engine.core.health import CheckResult, Health, Verdict
from update_engine.install.sources import FromRepository
from update_engine.status import status_of
from update_engine.worker import Ending, update
from update_engine.world import EngineWorld


def armed_machine() -> Media:
    system = RamSystem(factory_media(), ram_releases=RamReleases(NEW))
    update(system.world, FromRepository(system.ram_releases))
    return system.off()


def started(media: Media, *, trial: str = "+2-1", reached: Stage = Stage.USERSPACE) -> RamSystem:
    """The new version on one of its tries."""
    media.files = {"twinkeel_1.0.0.efi": OLD.uki, f"twinkeel_1.0.1{trial}.efi": NEW.uki}
    system = RamSystem(media, NEW)
    begun = system.world.store.boot_log().begun(NEW.release.root_hash, system.boot_id)
    system.boots_file.text = encode(begun.reached(system.boot_id, reached))
    return system


def fallen_back(media: Media, uki: bytes = NEW.uki) -> RamSystem:
    """The old version after the new one lost its tries."""
    media.files = {"twinkeel_1.0.0.efi": OLD.uki, "twinkeel_1.0.1+0-3.efi": uki}
    return RamSystem(media, ram_releases=RamReleases(NEW))


def step(system: RamSystem, *names: str) -> int:
    return steps.run(names, system.world)


def checks(*names: str) -> Sequence[Path]:
    return [Path("/usr/lib/update-engine/health.d", name) for name in names]


def test_a_healthy_trial_is_blessed_and_raises_the_floor() -> None:
    system = started(armed_machine())
    assert step(system, "assess") == 0
    assert status_of(system.world).waiting_for == "health-checks"
    assert step(system, "bless") == 0
    assert sorted(system.esp.files) == ["twinkeel_1.0.0.efi", "twinkeel_1.0.1.efi"]
    state = system.world.store.state()
    assert (state.floor, state.armed) == ("1.0.1", None)
    assert state.successes[-1].version == "1.0.1"
    status = status_of(system.world)
    assert (status.health, status.slot, status.waiting_for) == ("healthy", "b", "")


@pytest.mark.parametrize("trial", ["+2-1", "+1-2", "+0-3"])
def test_every_try_can_be_blessed(trial: str) -> None:
    system = started(armed_machine(), trial=trial)
    step(system, "assess", "bless")
    assert "twinkeel_1.0.1.efi" in system.esp.files
    assert system.world.store.state().quarantined == ()


def stage(system: RamSystem) -> Stage | None:
    return system.world.store.boot_log().stage_of(system.boot_id)


def test_the_boot_log_knows_a_healthy_and_a_stable_boot() -> None:
    system = started(armed_machine())
    step(system, "stable", "end")
    assert stage(system) is Stage.USERSPACE
    step(system, "bless")
    assert stage(system) is Stage.HEALTHY
    step(system, "stable")
    assert stage(system) is Stage.STABLE


def test_a_trial_that_fails_its_checks_is_not_stable_though_it_ends_in_order() -> None:
    system = started(armed_machine())
    step(system, "assess")
    system.failing_checks = {"20-network": "no link has an address"}
    examine(system.world, checks("20-network"))
    step(system, "stable", "end")
    assert stage(system) is Stage.USERSPACE


@pytest.mark.parametrize("ending", ["stable", "end"])
def test_five_boots_without_a_network_cost_a_blessed_version_nothing(ending: str) -> None:
    media = factory_media()
    for _ in range(5):
        system = RamSystem(media)
        log = system.world.store.boot_log().begun(OLD.release.root_hash, system.boot_id)
        system.boots_file.text = encode(log.reached(system.boot_id, Stage.USERSPACE))
        step(system, "assess")
        system.failing_checks = {"20-network": "no link has an address"}
        examine(system.world, checks("20-network"))
        step(system, ending)
        media = system.off()
    log = RamSystem(media).world.store.boot_log()
    assert log.unstable_in_a_row(OLD.release.root_hash) == 0


def test_a_blessed_version_that_hangs_at_each_boot_is_left() -> None:
    system = RamSystem(factory_media())
    log = system.world.store.boot_log().begun(OLD.release.root_hash, system.boot_id)
    system.boots_file.text = encode(log)
    step(system, "assess", "deadline", "stable")
    assert stage(system) is Stage.INITRD


BROKEN = Problem(Severity.ERROR, "/etc/z.toml: updates.enabled: expected true or false")


def test_wrong_settings_keep_no_step_from_running(caplog: pytest.LogCaptureFixture) -> None:
    system = started(armed_machine())
    system.problems = (BROKEN,)
    assert step(system, "assess", "bless", "stable") == 0
    assert "twinkeel_1.0.1.efi" in system.esp.files
    assert ("ERROR", f"settings: {BROKEN.text}") in [
        (record.levelname, record.message) for record in caplog.records
    ]
    assert status_of(system.world).settings_problems == (f"error: {BROKEN.text}",)


def test_blessing_a_blessed_version_again_changes_nothing() -> None:
    system = started(armed_machine())
    step(system, "bless")
    writes, changes = system.state.writes, system.esp.changes
    step(system, "bless")
    assert (system.state.writes, system.esp.changes) == (writes, changes)


def test_the_first_boot_of_a_new_machine_is_written_down() -> None:
    system = RamSystem(factory_media())
    step(system, "assess", "bless")
    assert system.world.store.state().floor == "1.0.0"
    assert list(system.esp.files) == ["twinkeel_1.0.0.efi"]


def test_the_wrong_entry_is_never_blessed() -> None:
    system = started(armed_machine())
    system.running = OLD  # as if the loader had fallen back and left its variable behind
    step(system, "bless")
    assert "twinkeel_1.0.1+2-1.efi" in system.esp.files


@pytest.mark.parametrize(
    "files",
    [
        {"twinkeel_1.0.0.efi": OLD.uki},
        {"twinkeel_1.0.1+2-1.efi": NEW.uki, "twinkeel_1.0.2+2-1.efi": NEW.uki},
        {"TWINKE~1.EFI": NEW.uki},
    ],
)
def test_nothing_is_blessed_unless_one_entry_is_ours(files: dict[str, bytes]) -> None:
    system = started(armed_machine())
    system.esp.files = dict(files)
    assert step(system, "bless") == HostFailure.exit_status
    assert system.esp.files == files
    assert system.world.store.state().floor == ""
    status = status_of(system.world)
    assert status.health == "unhealthy"
    assert "bless" in status.failed_check
    assert status.last_error is not None


def test_a_failing_check_on_trial_is_written_down_and_reboots() -> None:
    system = started(armed_machine())
    step(system, "assess")
    system.failing_checks = {"20-network": "no link has an address"}
    examine(system.world, checks("10-system-running", "20-network", "30-update-engine"))
    assert system.rebooting
    failed = system.world.store.state().failed_check
    assert failed is not None
    assert (failed.check, failed.message) == ("20-network", "no link has an address")
    assert status_of(system.world).failed_check == "20-network: no link has an address"


def test_checks_after_the_first_failure_do_not_run() -> None:
    system = started(armed_machine())
    system.failing_checks = {"10-a": "no"}
    examine(system.world, checks("10-a", "20-b"))
    ran = [c.argv[-1] for c in system.runner.commands if c.argv[0].endswith("sh")]
    assert [Path(name).name for name in ran] == ["10-a"]


def test_a_blessed_version_that_is_unhealthy_stays_up() -> None:
    system = RamSystem(factory_media())
    step(system, "assess")
    system.failing_checks = {"10-system-running": "failed units: etcd.service"}
    examine(system.world, checks("10-system-running"))
    assert not system.rebooting
    assert status_of(system.world).health == "unhealthy"


def test_passing_checks_leave_the_verdict_to_the_blessing() -> None:
    system = started(armed_machine())
    examine(system.world, checks("10-system-running"))
    assert not system.rebooting
    assert status_of(system.world).health == "pending"


def test_checks_share_one_deadline() -> None:
    system = started(armed_machine())
    step(system, "assess")

    def slow(_: Command) -> bytes:
        system.clock.advance(400)
        return b""

    system.runner._programs["sh"] = slow
    examine(system.world, checks("10-slow", "20-never-run"))
    assert status_of(system.world).failed_check == "20-never-run: no time was left to run it"
    assert system.rebooting


def test_a_trial_is_recognised_when_the_esp_could_not_be_looked_at() -> None:
    system = started(armed_machine())
    system.failing_checks = {"10-a": "no"}
    examine(system.world, checks("10-a"))
    assert system.rebooting


def test_unsure_whether_it_is_a_trial_means_no_reboot() -> None:
    system = RamSystem(factory_media())
    conclude(system.world, Verdict(Health.UNHEALTHY, CheckResult("10-a", passed=False)))
    assert not system.rebooting


def test_a_boot_that_hangs_fails_at_the_deadline() -> None:
    system = started(armed_machine())
    system.runner._programs["systemctl"] = lambda _: (
        b"1 etcd.service start running\n2 multi-user.target start waiting\n"
    )
    step(system, "assess", "deadline")
    assert system.rebooting
    failed = system.world.store.state().failed_check
    assert failed is not None
    assert failed.message == "not complete in time: etcd.service, multi-user.target"


@pytest.mark.parametrize(
    ("answer", "told"), [(b"", "no job is waiting"), (None, "exit 1: systemctl")]
)
def test_a_hang_fails_even_if_systemd_does_not_say_why(answer: bytes | None, told: str) -> None:
    system = started(armed_machine())

    if answer is None:
        system.runner._programs["systemctl"] = failing("exit 1: systemctl")
    else:
        system.runner._programs["systemctl"] = lambda _: answer
    step(system, "deadline")
    assert told in status_of(system.world).failed_check


def test_a_boot_with_a_verdict_is_past_the_deadline() -> None:
    system = RamSystem(factory_media())
    step(system, "bless")
    assert step(system, "deadline") == 0
    assert status_of(system.world).health == "healthy"


def test_a_version_that_fell_back_is_quarantined_with_its_journals() -> None:
    trial = started(armed_machine())
    step(trial, "assess")
    trial.failing_checks = {"90-broken": "broken on purpose"}
    examine(trial.world, checks("90-broken"))
    system = fallen_back(trial.off())
    step(system, "assess")
    (one,) = system.world.store.state().quarantined
    assert (one.version, one.root_hash) == ("1.0.1", NEW.release.root_hash)
    assert one.reason == "health check 90-broken failed: broken on purpose"
    assert isinstance(system.archive, RamArchive)
    (record,) = system.archive.records.values()
    assert record["reason.txt"].decode().splitlines()[1] == one.reason
    assert record[f"{trial.boot_id}.log"] == b"journal\n"
    assert system.world.store.state().armed is None
    result = update(system.world, FromRepository(system.ram_releases))
    assert result.ending is Ending.NOTHING_NEW


def test_a_journal_that_is_not_there_is_no_fault() -> None:
    trial = started(armed_machine(), reached=Stage.INITRD)
    system = fallen_back(trial.off())
    system.runner._programs["journalctl"] = failing("exit 1: no such boot")
    assert step(system, "assess") == 0
    (one,) = system.world.store.state().quarantined
    assert "never reached userspace" in one.reason


class FullArchive:
    """An archive on a full disk."""

    def keep(self, record: str, name: str, content: bytes) -> str:
        raise HostFailure(f"no space for {record}/{name} of {len(content)} bytes")

    def prune(self, newest: int) -> None:
        del newest


def test_a_version_is_quarantined_though_nothing_can_be_kept() -> None:
    system = fallen_back(armed_machine())
    step_world = replace(system.world, archive=FullArchive())
    assert steps.run(["assess"], step_world) == 0
    (one,) = system.world.store.state().quarantined
    assert one.journal == ""


def test_a_truncated_kernel_image_is_quarantined_by_what_was_armed() -> None:
    system = fallen_back(armed_machine(), uki=NEW.uki[:100])
    step(system, "assess")
    (one,) = system.world.store.state().quarantined
    assert one.root_hash == NEW.release.root_hash
    assert "could not be loaded" in one.reason
    assert status_of(system.world).entries[1].assessment == "damaged"


def test_a_blessed_version_that_rotted_is_quarantined() -> None:
    media = factory_media()
    media.files = {"twinkeel_1.0.0.efi": OLD.uki, "twinkeel_1.0.1+0-5.efi": NEW.uki}
    root = NEW.release.root_hash
    log = BootLog()
    for number in range(5):
        log = log.begun(root, f"boot-{number}")
    media.boots = encode(log.with_marked_bad("twinkeel_1.0.1.efi", root, "boot-5"))
    system = RamSystem(media)
    step(system, "assess")
    (one,) = system.world.store.state().quarantined
    assert one.reason.startswith("it was good, then kept failing")


def test_an_interrupted_installation_is_forgotten_without_blame() -> None:
    media = armed_machine()
    del media.files["twinkeel_1.0.1+3-0.efi"]
    system = RamSystem(media, ram_releases=RamReleases(NEW))
    step(system, "assess")
    state = system.world.store.state()
    assert (state.armed, state.writing, state.quarantined) == (None, None, ())
    assert update(system.world, FromRepository(system.ram_releases)).ending is Ending.ARMED


def test_a_blessing_whose_record_was_lost_is_made_up_for() -> None:
    system = started(armed_machine(), trial="")
    step(system, "assess")
    state = system.world.store.state()
    assert (state.floor, state.armed) == ("1.0.1", None)


def test_strange_names_are_put_in_order_at_each_boot() -> None:
    media = factory_media()
    media.files = {"TWINKE~1.EFI": OLD.uki, "twinkeel_0.9.0.efi": b"rot", "notes.txt": b""}
    system = RamSystem(media)
    step(system, "assess")
    assert sorted(system.esp.files) == ["notes.txt", "twinkeel_1.0.0+1-0.efi"]


def test_looking_back_may_fail_without_this_boot_being_a_bad_one() -> None:
    system = RamSystem(factory_media())

    def unmountable() -> AbstractContextManager[Esp]:
        raise HostFailure("exit 32: mount")

    assert steps.run(["assess"], replace(system.world, esp=unmountable)) == 0
    last = system.world.store.state().last_error
    assert isinstance(last, enginestate.Problem)
    assert last.message == "exit 32: mount"


def test_a_step_waits_for_the_lock() -> None:
    system = RamSystem(factory_media())
    tries = []

    def lock() -> object:
        tries.append(1)
        if len(tries) < 4:
            raise TransientFailure("another update operation is running")
        return system.world.lock()

    world: EngineWorld = replace(system.world, lock=lock)  # type: ignore[arg-type] # a context manager
    assert steps.run(["bless"], world) == 0
    assert system.clock.naps == [1, 1, 1]


def test_a_step_does_not_wait_for_ever() -> None:
    system = RamSystem(factory_media())

    def lock() -> object:
        raise TransientFailure("another update operation is running")

    world = replace(system.world, lock=lock)  # type: ignore[arg-type] # never returns
    assert steps.run(["bless"], world) == TransientFailure.exit_status
    assert len(system.clock.naps) == 59


def test_checks_are_merged_by_name_and_can_be_masked(tmp_path: Path) -> None:
    usr, etc, run = (tmp_path / name for name in ("usr", "etc", "run"))
    for directory, name in ((usr, "10-a"), (usr, "20-b"), (usr, "30-c"), (etc, "30-c")):
        directory.mkdir(exist_ok=True)
        (directory / name).write_text("")
    (etc / ".hidden").write_text("")
    (etc / "40-d~").write_text("")
    (etc / "20-b").symlink_to("/dev/null")
    assert find_checks([usr, etc, run]) == [usr / "10-a", etc / "30-c"]
