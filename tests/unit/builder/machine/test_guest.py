"""The life of one machine, with a QEMU that only follows a script."""

from dataclasses import replace
from pathlib import Path

import pytest

from builder.machine.boards import Board
from builder.machine.guest import Machine, machine
from builder.machine.hardware import Accel, Hardware, MachineFiles
from builder.machine.preparing import prepare
from builder.machine.world import MachineWorld
from hostio.system.runner import Command
from osmodel.faults import HostFailure, InvalidInput
from tests.fakes.machineworld import REPORT, becomes_ready, image, machine_world
from tests.fakes.runner import ScriptedRunner
from tests.fakes.spawner import ScriptedSpawner

HARDWARE = Hardware(accel=Accel.TCG, ssh_port=2222)
GIVEN_UP = 'BdsDxe: starting Boot0002 "EFI Internal Shell" from Fv(7CB8)\n'


def made(world: MachineWorld, tmp_path: Path) -> Machine:
    built = image(tmp_path)
    files = prepare(world, built, tmp_path / "m", disk_size=1 << 30)
    return Machine(world, built, files, HARDWARE)


def spawner(world: MachineWorld) -> ScriptedSpawner:
    assert isinstance(world.spawner, ScriptedSpawner)
    return world.spawner


def test_the_disk_is_an_overlay_over_the_built_image(tmp_path: Path) -> None:
    world = machine_world(tmp_path)
    made(world, tmp_path)
    runner = world.tools.runner()
    assert isinstance(runner, ScriptedRunner)
    call = " ".join(runner.commands[0].argv)
    assert call.endswith(f"-b {tmp_path}/image/disk.raw -F raw {tmp_path}/m/disk.qcow2 {1 << 30}")


def test_a_kept_machine_keeps_its_disk(tmp_path: Path) -> None:
    world = machine_world(tmp_path)
    built = image(tmp_path)
    files = prepare(world, built, tmp_path / "m", disk_size=1)
    files.disk.write_bytes(b"written by the guest")
    prepare(world, built, tmp_path / "m", disk_size=1)
    assert files.disk.read_bytes() == b"written by the guest"


def test_a_directory_without_an_image_is_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no disk\.raw") as caught:
        prepare(machine_world(tmp_path), tmp_path, tmp_path / "m", disk_size=1)
    assert "build-image" in caught.value.hint


def test_the_operators_key_reaches_the_guest(tmp_path: Path) -> None:
    guest = made(machine_world(tmp_path), tmp_path)
    assert guest.hardware.credentials["ssh.authorized_keys.root"].startswith(b"ssh-ed25519 ")


def test_each_report_is_returned_once(tmp_path: Path) -> None:
    guest = made(machine_world(tmp_path, becomes_ready), tmp_path)
    guest.start()
    assert guest.wait_ready().version == "1.0.0"
    assert guest.report() is None


def test_reports_of_an_earlier_life_do_not_count(tmp_path: Path) -> None:
    world = machine_world(tmp_path, becomes_ready)
    first = made(world, tmp_path)
    first.start()
    first.close()
    again = Machine(world, tmp_path / "image", first.files, HARDWARE)
    assert again.report() is None


def test_a_machine_that_says_nothing_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    def hangs(_: Command, output: Path) -> None:
        (output.parent / "console.log").write_text("Kernel panic - not syncing\r\n")

    guest = made(machine_world(tmp_path, hangs), tmp_path)
    guest.start()
    with pytest.raises(HostFailure, match=r"(?s)waited 30 s .* ready.*Kernel panic"):
        guest.wait_ready(30)


def test_a_qemu_that_ends_is_noticed_at_once(tmp_path: Path) -> None:
    def refuses(_: Command, output: Path) -> None:
        output.write_text("cannot set up guest memory\n")

    world = machine_world(tmp_path, refuses, status=1)
    guest = made(world, tmp_path)
    guest.start()
    with pytest.raises(HostFailure, match=r"QEMU ended\nqemu: cannot set up guest memory"):
        guest.wait_ready()


def test_a_firmware_that_gives_up_is_noticed_at_once(tmp_path: Path) -> None:
    def gives_up(_: Command, output: Path) -> None:
        (output.parent / "console.log").write_text(GIVEN_UP)

    guest = made(machine_world(tmp_path, gives_up), tmp_path)
    guest.start()
    with pytest.raises(HostFailure, match="found nothing to boot"):
        guest.wait_ready()


def test_a_power_cut_kills_without_asking(tmp_path: Path) -> None:
    world = machine_world(tmp_path, becomes_ready)
    guest = made(world, tmp_path)
    guest.start()
    guest.powercut()
    assert spawner(world).processes[0].killed
    assert not guest.is_running()


def interrupted(world: MachineWorld, tmp_path: Path) -> None:
    with machine(world, image(tmp_path), tmp_path / "m", HARDWARE, disk_size=1) as guest:
        guest.start()
        raise KeyboardInterrupt


def test_qemu_ends_with_the_block_whatever_happens(tmp_path: Path) -> None:
    world = machine_world(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        interrupted(world, tmp_path)
    assert spawner(world).processes[0].killed


def test_a_guest_that_ignores_the_power_button_is_cut_off(tmp_path: Path) -> None:
    guest = made(machine_world(tmp_path), tmp_path)
    guest.start()
    assert not guest.shutdown(deadline=5)
    assert not guest.is_running()


def test_commands_run_by_ssh_with_the_machines_own_key(tmp_path: Path) -> None:
    world = machine_world(tmp_path, becomes_ready)
    guest = made(world, tmp_path)
    guest.start()
    guest.wait_ready()
    assert guest.ssh("uname") == "hello\n"
    assert isinstance(world.runner, ScriptedRunner)
    argv = world.runner.commands[-1].argv
    assert argv[:5] == ("ssh", "-i", f"{tmp_path}/m/key", "-p", "2222")
    assert argv[-2:] == ("root@127.0.0.1", "uname")
    assert f"ControlPath={tmp_path}/m/ssh1" in argv


def test_a_directory_too_deep_for_a_socket_is_refused(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 80)
    with pytest.raises(InvalidInput, match="path is too long"):
        prepare(machine_world(tmp_path), image(tmp_path), deep, disk_size=1)


def test_a_board_prints_its_report_and_is_cut_off_at_once(tmp_path: Path) -> None:
    def prints(_: Command, output: Path) -> None:
        line = b"twinkeel-report: " + REPORT
        (output.parent / "console.log").write_bytes(line.replace(b"\n", b"\r\n"))

    world = machine_world(tmp_path, prints)
    files = MachineFiles(tmp_path / "m")
    files.directory.mkdir()
    files.disk.touch()
    guest = Machine(world, image(tmp_path), files, replace(HARDWARE, board=Board.RASPI3B))
    guest.start()
    assert guest.wait_ready().slot == "a"
    assert guest.hardware.credentials == {}
    before = world.clock.monotonic()
    assert not guest.shutdown()
    assert world.clock.monotonic() - before < 1
