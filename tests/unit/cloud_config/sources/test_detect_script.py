"""The look that most starts end with: it may say yes too often, never no."""

import dataclasses
import subprocess  # noqa: TID251 - the script runs before any of the program does
from pathlib import Path

import pytest

from cloud_config.sources.platforms import Firmware
from cloud_config.sources.reading import IMAGE_FILE, STATE_DIRECTORY, STATE_FILE
from tests.checkout import ROOT
from tests.fakes.sourceworld import command_line, firmware
from tests.unit.cloud_config.sources.test_choosing import MACHINES, OTHERS, XEN_ON_EC2

LOOK = ROOT / "images/minimal/overlay/usr/lib/cloud-config/detect"


def finds(root: Path, **environment: str) -> bool:
    if not (root / "proc").exists():
        command_line(root, "quiet ro")
    told = {"DETECT_ROOT": str(root), "PATH": "/usr/bin:/bin", **environment}
    call = [str(LOOK), "echo", "something"]
    done = subprocess.run(call, check=True, capture_output=True, text=True, env=told)
    assert not done.stderr
    return done.stdout == "something\n"


def is_machine(root: Path, machine: Firmware) -> Path:
    strings = {name: text for name, text in dataclasses.asdict(machine).items() if text}
    firmware(root, **strings)
    return root


def put(root: Path, name: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    return root


@pytest.mark.parametrize("machine", [*MACHINES.values(), XEN_ON_EC2])
def test_every_platform_with_a_source_is_seen(machine: Firmware, tmp_path: Path) -> None:
    assert finds(is_machine(tmp_path, machine))


@pytest.mark.parametrize("machine", OTHERS)
def test_a_machine_without_a_source_starts_no_python(machine: Firmware, tmp_path: Path) -> None:
    assert not finds(is_machine(tmp_path, machine))


@pytest.mark.parametrize("name", ["cloud-config-url", "cloud_config_url"])
def test_a_url_on_the_command_line_is_seen(name: str, tmp_path: Path) -> None:
    command_line(tmp_path, f"quiet {name}=http://x/ ro")
    assert finds(tmp_path)


def system_disk(root: Path) -> None:
    """A disk as the image has it, with its boot partition, and devices that hold no medium."""
    for number, name in enumerate(("esp", "root-a", "state"), 1):
        uevent = put(root, f"sys/block/vda/vda{number}/uevent")
        (uevent / f"sys/block/vda/vda{number}/uevent").write_text(
            f"DEVNAME=vda{number}\nDEVTYPE=partition\nPARTN={number}\nPARTNAME={name}\n"
        )
        link = root / "sys/class/block" / f"vda{number}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(root / f"sys/block/vda/vda{number}")
    for name in ("loop0", "dm-0", "zram0"):
        (root / "sys/block" / name).mkdir()


def label(root: Path, name: str) -> None:
    put(root, f"dev/disk/by-label/{name}")


@pytest.mark.parametrize("name", ["cidata", "CIDATA", "config-2", "CONFIG-2"])
def test_a_labelled_medium_is_seen(name: str, tmp_path: Path) -> None:
    system_disk(tmp_path)
    (tmp_path / "sys/block/vdb").mkdir()
    label(tmp_path, name)
    assert finds(tmp_path)


@pytest.mark.parametrize("name", ["cidata2", "state", "ESP"])
def test_another_medium_is_not_taken_for_one(name: str, tmp_path: Path) -> None:
    system_disk(tmp_path)
    (tmp_path / "sys/block/vdb").mkdir()
    label(tmp_path, name)
    assert not finds(tmp_path)


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("sys/bus/scsi/devices/0:0:0:0/type", "5"),
        ("sys/bus/usb/devices/1-1:1.0/bInterfaceClass", "08"),
    ],
)
def test_a_drive_is_waited_for_before_it_is_a_disk(place: str, kind: str, tmp_path: Path) -> None:
    system_disk(tmp_path)
    (put(tmp_path, place) / place).write_text(f"{kind}\n")
    label(tmp_path, "cidata")
    assert finds(tmp_path)


def test_a_machine_of_one_disk_waits_for_no_device(tmp_path: Path) -> None:
    system_disk(tmp_path)
    disk = "sys/bus/scsi/devices/0:0:0:0/type"
    (put(tmp_path, disk) / disk).write_text("0\n")
    label(tmp_path, "cidata")  # were it looked at, this would be found
    assert not finds(tmp_path)


def test_a_credential_is_seen(tmp_path: Path) -> None:
    put(tmp_path, "credentials/cloud-config.user-data")
    assert finds(tmp_path, CREDENTIALS_DIRECTORY=str(tmp_path / "credentials"))


def test_credentials_of_others_are_not_taken_for_one(tmp_path: Path) -> None:
    put(tmp_path, "credentials/ssh.authorized_keys.root")
    assert not finds(tmp_path, CREDENTIALS_DIRECTORY=str(tmp_path / "credentials"))


@pytest.mark.parametrize(
    "name",
    [
        str(IMAGE_FILE),
        str(STATE_FILE),
        f"{STATE_DIRECTORY}/user-data",
        f"{STATE_DIRECTORY}/meta-data",
    ],
)
def test_a_file_of_the_disk_is_seen(name: str, tmp_path: Path) -> None:
    assert finds(put(tmp_path, name))
