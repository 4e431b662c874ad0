"""The command a person types."""

import json
import socket
from pathlib import Path

import pytest

from builder.machine.cli import run
from hostio.system.runner import Command
from tests.fakes.machineworld import becomes_ready, image, machine_world
from tests.fakes.spawner import ScriptedSpawner

Captured = pytest.CaptureFixture[str]


def boots(_: Command, output: Path) -> None:
    loader = 'BdsDxe: starting Boot0001 "UEFI Misc Device" from PciRoot(0x0)\r\n'
    (output.parent / "console.log").write_text(loader)
    becomes_ready(_, output)


def test_says_version_slot_and_how_to_log_in(tmp_path: Path, capsys: Captured) -> None:
    arguments = [str(image(tmp_path)), "--accel", "tcg", "--exit-when-ready", "--ssh-port", "40022"]
    assert run(arguments, machine_world(tmp_path, boots)) == 0
    out = capsys.readouterr().out
    assert "starting pc with tcg: as asked for" in out
    assert "firmware found the loader" in out
    assert "ready: version 1.0.0, slot a" in out
    assert "-p 40022" in out
    assert "root@127.0.0.1" in out


def test_programs_get_one_event_per_line(tmp_path: Path, capsys: Captured) -> None:
    arguments = [str(image(tmp_path)), "--accel", "tcg", "--exit-when-ready", "--json"]
    assert run(arguments, machine_world(tmp_path, boots)) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = [event["event"] for event in events]
    assert names == ["start", "firmware", "ready", "shutdown", "cut"]
    assert events[2]["status"]["version"] == "1.0.0"


def test_the_console_is_shown_on_request(tmp_path: Path, capsys: Captured) -> None:
    arguments = [str(image(tmp_path)), "--accel", "tcg", "--exit-when-ready", "--console"]
    run(arguments, machine_world(tmp_path, boots))
    assert "UEFI Misc Device" in capsys.readouterr().err


def test_a_missing_image_is_one_line_and_the_next_step(tmp_path: Path, capsys: Captured) -> None:
    assert run([str(tmp_path), "--accel", "tcg"], machine_world(tmp_path)) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"boot-image: {tmp_path}: there is no disk.raw in it\n  make one")


def test_a_port_in_use_is_refused_before_anything_starts(tmp_path: Path, capsys: Captured) -> None:
    world = machine_world(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        arguments = [str(image(tmp_path)), "--accel", "tcg", "--ssh-port", str(port)]
        assert run(arguments, world) == 2
    assert f"port {port} is in use" in capsys.readouterr().err
    assert isinstance(world.spawner, ScriptedSpawner)
    assert world.spawner.commands == []


@pytest.mark.parametrize(
    ("option", "value"), [("--memory", "10"), ("--cpus", "0"), ("--disk-size", "0")]
)
def test_a_size_out_of_range_is_named(
    tmp_path: Path, capsys: Captured, option: str, value: str
) -> None:
    arguments = [str(image(tmp_path)), "--accel", "tcg", option, value]
    assert run(arguments, machine_world(tmp_path)) == 2
    assert f"{option}: at least" in capsys.readouterr().err


def test_a_qemu_that_dies_is_an_error_of_the_host(tmp_path: Path, capsys: Captured) -> None:
    arguments = [str(image(tmp_path)), "--accel", "tcg"]
    assert run(arguments, machine_world(tmp_path, status=1)) == 74
    assert "QEMU ended" in capsys.readouterr().err


def test_a_kept_machine_stays_where_it_was_told(tmp_path: Path) -> None:
    arguments = [str(image(tmp_path)), "--accel", "tcg", "--exit-when-ready"]
    arguments += ["--keep", str(tmp_path / "kept")]
    run(arguments, machine_world(tmp_path, boots))
    assert (tmp_path / "kept" / "disk.qcow2").exists()


def test_the_guest_finds_what_the_options_name(tmp_path: Path) -> None:
    world = machine_world(tmp_path, boots)
    seed = tmp_path / "seed.iso"
    seed.write_bytes(b"user data")
    arguments = [str(image(tmp_path)), "--accel", "tcg", "--exit-when-ready"]
    arguments += ["--medium", str(seed), "--credential", f"cloud-config.user-data={seed}"]
    arguments += ["--smbios", "system-manufacturer=Me", "--kernel-arg", "quiet"]
    arguments += ["--network", "169.254.169.0/24", "--forward", "169.254.169.254:80=8080"]
    assert run(arguments, world) == 0
    assert isinstance(world.spawner, ScriptedSpawner)
    call = " ".join(world.spawner.commands[0].argv)
    assert f"readonly=on,file={seed}" in call
    assert "credential.binary:cloud-config.user-data=dXNlciBkYXRh" in call
    assert "type=1,manufacturer=Me" in call
    assert "kernel-cmdline-extra=no_timer_check quiet" in call
    assert "guestfwd=tcp:169.254.169.254:80" in call


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--medium", "/nowhere", "--medium: there is no file /nowhere"),
        ("--credential", "a=/nowhere", "--credential: /nowhere: No such file"),
        ("--credential", "a", "--credential: expected NAME="),
        ("--smbios", "=b", "--smbios: expected NAME="),
        ("--smbios", "a=b", "no firmware table has 'a'"),
        ("--network", "here", "not an IPv4 network: 'here'"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_starts(
    tmp_path: Path, capsys: Captured, option: str, value: str, message: str
) -> None:
    world = machine_world(tmp_path)
    assert run([str(image(tmp_path)), "--accel", "tcg", option, value], world) == 2
    assert message in capsys.readouterr().err
    assert isinstance(world.spawner, ScriptedSpawner)
    assert world.spawner.commands == []


def test_an_image_for_arm64_gets_its_own_machine_and_no_kvm(
    tmp_path: Path, capsys: Captured
) -> None:
    world = machine_world(tmp_path, boots)
    assert run([str(image(tmp_path, "arm64")), "--exit-when-ready"], world) == 0
    text = "starting virt with tcg: this host is x86_64, the image arm64"
    assert text in capsys.readouterr().out
    assert isinstance(world.spawner, ScriptedSpawner)
    assert world.spawner.commands[0].argv[0] == "qemu-system-aarch64"


def test_kvm_for_another_processor_is_refused(tmp_path: Path, capsys: Captured) -> None:
    world = machine_world(tmp_path)
    assert run([str(image(tmp_path, "arm64")), "--accel", "kvm"], world) == 2
    assert "no kvm for virt: this host is x86_64" in capsys.readouterr().err


def test_a_machine_for_other_images_is_refused(tmp_path: Path, capsys: Captured) -> None:
    arguments = [str(image(tmp_path, "arm64", "raspberrypi")), "--machine", "pc"]
    assert run(arguments, machine_world(tmp_path)) == 2
    error = capsys.readouterr().err
    assert "an image for arm64-raspberrypi does not run on pc" in error
    assert "it runs on u-boot or raspi3b or raspi4b" in error


def test_a_directory_whose_manifest_says_nothing_is_refused(
    tmp_path: Path, capsys: Captured
) -> None:
    built = image(tmp_path)
    (built / "manifest.json").write_text("{}")
    assert run([str(built)], machine_world(tmp_path)) == 2
    assert "does not say what machine" in capsys.readouterr().err


def test_memory_that_is_soldered_on_cannot_be_chosen(tmp_path: Path, capsys: Captured) -> None:
    arguments = [str(image(tmp_path, "arm64", "raspberrypi")), "--machine", "raspi3b"]
    assert run([*arguments, "--memory", "4096"], machine_world(tmp_path)) == 2
    assert "--memory: raspi3b always has 1024" in capsys.readouterr().err
