"""Whether KVM is used depends on what a test guest did, never on a file that is there."""

from pathlib import Path

import pytest

from builder.machine.acceleration import Probe, Verdict, remembered
from builder.machine.hardware import Accel
from hostio.system.runner import Command
from tests.fakes.clock import StoppedClock
from tests.fakes.spawner import ScriptedSpawner


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "kvm"
    path.touch()
    return path


def probe(spawner: ScriptedSpawner, scratch: Path, device: Path) -> Probe:
    return Probe(spawner, StoppedClock(), scratch, device)


def prints_on_serial(text: bytes, scratch: Path) -> ScriptedSpawner:
    def script(_: Command, __: Path) -> None:
        (scratch / "probe-serial.log").write_bytes(text)

    return ScriptedSpawner(script)


def test_a_guest_that_reaches_its_boot_menu_proves_kvm(tmp_path: Path, device: Path) -> None:
    spawner = prints_on_serial(b"\x1b[2JBdsDxe: loading Boot0001", tmp_path)
    assert probe(spawner, tmp_path, device).verdict().accel is Accel.KVM


def test_a_guest_that_hangs_ends_in_emulation(tmp_path: Path, device: Path) -> None:
    verdict = probe(ScriptedSpawner(), tmp_path, device).verdict()
    assert verdict.accel is Accel.TCG
    assert "did nothing in 10 s" in verdict.reason


def test_an_error_inside_kvm_ends_the_trial_at_once(tmp_path: Path, device: Path) -> None:
    def script(_: Command, output: Path) -> None:
        output.write_text("KVM internal error. Suberror: 1\n")

    clock = StoppedClock()
    verdict = Probe(ScriptedSpawner(script), clock, tmp_path, device).verdict()
    assert (verdict.accel, clock.naps) == (Accel.TCG, [])


def test_a_qemu_that_refuses_is_quoted(tmp_path: Path, device: Path) -> None:
    def script(_: Command, output: Path) -> None:
        output.write_text("failed to initialize kvm: Permission denied\n")

    verdict = probe(ScriptedSpawner(script, status=1), tmp_path, device).verdict()
    assert verdict.reason.endswith("status 1: failed to initialize kvm: Permission denied")


def test_the_test_guest_never_outlives_the_trial(tmp_path: Path, device: Path) -> None:
    spawner = ScriptedSpawner()
    probe(spawner, tmp_path, device).verdict()
    assert all(process.killed for process in spawner.processes)


def test_without_the_device_nothing_is_started(tmp_path: Path) -> None:
    spawner = ScriptedSpawner()
    verdict = probe(spawner, tmp_path, tmp_path / "none").verdict()
    assert (verdict.accel, spawner.commands) == (Accel.TCG, [])


@pytest.fixture
def boot_id(tmp_path: Path) -> Path:
    path = tmp_path / "boot_id"
    path.write_text("first\n")
    return path


def test_the_verdict_is_found_once_per_start_of_the_host(tmp_path: Path, boot_id: Path) -> None:
    calls: list[int] = []

    def found() -> Verdict:
        calls.append(1)
        return Verdict(Accel.TCG, f"trial {len(calls)}")

    cache = tmp_path / "cache" / "acceleration.json"
    reasons = [remembered(cache, found, boot_id=boot_id).reason for _ in range(2)]
    boot_id.write_text("second\n")
    reasons.append(remembered(cache, found, boot_id=boot_id).reason)
    assert reasons == ["trial 1", "trial 1", "trial 2"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"boot_id": "first", "accel": "warp"}'])
def test_a_damaged_memory_is_a_new_trial(tmp_path: Path, boot_id: Path, text: str) -> None:
    cache = tmp_path / "acceleration.json"
    cache.write_text(text)
    wanted = Verdict(Accel.KVM, "works")
    assert remembered(cache, lambda: wanted, boot_id=boot_id) == wanted
