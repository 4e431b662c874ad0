"""The real programs with all their real adapters, in a box that looks like a machine.

Disks are plain files, the ESP is a directory, and a handful of shell scripts
stand in for mount and systemd; everything else is what a machine runs.
"""

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from hostio.system.clock import SystemClock
from hostio.system.runner import Command, LocalRunner
from mirror.release.releasesigner import sign_release
from osmodel import gpt
from osmodel.faults import HostFailure
from osmodel.partitions import slot_of
from osmodel.release import release_to_json
from tests.checkout import ROOT
from tests.fakes.clock import StoppedClock
from tests.fakes.payloads import SmallRelease, signed_payload
from tests.fakes.ramsystem import DISK, NEW, OLD, SECTOR, Media, factory_media, starts
from tests.fakes.repository import MadeRepository, made_repository

RUNNER = LocalRunner()

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        shutil.which("bwrap") is None or os.geteuid() != 0, reason="needs bubblewrap as root"
    ),
]

PROGRAMS = {
    "mount": "exit 0",
    "umount": "exit 0",
    "fsck.vfat": "exit 0",
    "journalctl": "echo kept journal",
    "systemctl": 'echo "$*" >>/run/systemctl.log',
}
ENTRY = {
    "update-ctl": "update_engine.cli",
    "boot-step": "update_engine.boot.steps",
}
LABELS = {"root-a": 2, "root-a-verity": 3, "root-b": 4, "root-b-verity": 5}


@dataclass
class Box:
    """A machine made of files below ``place``."""

    place: Path
    running: SmallRelease = OLD

    def make(self, media: Media, trust_root: bytes, url: str) -> None:
        for name in ("sbin", "run/update-engine/esp/EFI/Linux", "state", "dev", "usrlib"):
            (self.place / name).mkdir(parents=True)
        for name, script in PROGRAMS.items():
            self._program(self.place / "sbin" / name, script)
        (self.place / "dev/vda").write_bytes(media.table)
        for label, number in LABELS.items():
            (self.place / f"dev/vda{number}").write_bytes(media.partitions[label])
        (self.place / "dev/vda1").write_bytes(bytes(8 * SECTOR))
        for name, uki in media.files.items():
            (self.entries / name).write_bytes(uki)
        self._write("usrlib/twinkeel/trust/root.json", trust_root)
        config = f'[repository]\nurl = "{url}"\n'.encode()
        self._write("usrlib/update-engine/config.d/10-image.toml", config)
        (self.place / "usrlib/update-engine/health.d").mkdir()
        self._program(self.place / "usrlib/update-engine/health.d/10-fine", "exit 0")
        self._sysfs()
        self.start(OLD, "1")

    @property
    def entries(self) -> Path:
        return self.place / "run/update-engine/esp/EFI/Linux"

    def start(self, running: SmallRelease, boot_id: str) -> None:
        """Power comes: what the loader, the kernel and the initrd would leave."""
        self.running = running
        for volatile in (self.place / "run/update-engine").glob("*.json"):
            volatile.unlink()
        identity = release_to_json(running.release)
        self._write("usrlib/twinkeel/identity.json", json.dumps(identity).encode())
        table = self._table()
        facts = {
            "root_hash": running.release.root_hash,
            "slot": slot_of(table, running.release.root_hash),
        }
        self._write("run/twinkeel/boot.json", json.dumps(facts).encode())
        self._write("cmdline", f"roothash={running.release.root_hash} ro\n".encode())
        self._write("boot_id", f"{boot_id * 8}-0000-4000-8000-000000000000\n".encode())

    def _table(self) -> gpt.Gpt:
        disk = (self.place / "dev/vda").read_bytes()
        return gpt.parse(lambda at, length: disk[at : at + length], SECTOR, DISK // SECTOR)

    def run(self, program: str, *arguments: str) -> str:
        code = f"import sys; from {ENTRY[program]} import main; sys.exit(main())"
        python = [sys.executable, "-c", code, *arguments]
        env = {"PYTHONPATH": str(ROOT)}
        return RUNNER.run(Command([*self._walls(), *python], env=env, timeout=120)).decode()

    def status(self) -> dict[str, object]:
        found = json.loads(self.run("update-ctl", "status", "--json"))
        assert isinstance(found, dict)
        return found

    def media(self) -> Media:
        return Media(
            (self.place / "dev/vda").read_bytes(),
            {label: (self.place / f"dev/vda{n}").read_bytes() for label, n in LABELS.items()},
            {path.name: path.read_bytes() for path in self.entries.iterdir()},
        )

    def _walls(self) -> list[str]:
        return [
            *("bwrap", "--die-with-parent", "--unshare-pid", "--ro-bind", "/", "/"),
            *("--dev", "/dev", "--proc", "/proc", "--tmpfs", "/var", "--tmpfs", "/usr/lib"),
            *self._usr_lib(),
            *self._bind("usrlib/twinkeel", "/usr/lib/twinkeel"),
            *self._bind("usrlib/update-engine", "/usr/lib/update-engine"),
            *self._bind("sbin", "/usr/sbin"),
            *self._bind("run", "/run"),
            *self._bind("sys", "/sys"),
            *self._bind("state", "/var/lib/update-engine"),
            *self._bind("cmdline", "/proc/cmdline"),
            *self._bind("boot_id", "/proc/sys/kernel/random/boot_id"),
            *(word for p in sorted((self.place / "dev").iterdir()) for word in self._device(p)),
            *("--tmpfs", "/tmp"),  # noqa: S108 - inside the box
            # This checkout and its Python may lie in a place that was just emptied.
            *("--ro-bind", str(ROOT), str(ROOT), "--ro-bind", sys.prefix, sys.prefix),
            # The repository lies beside the box.
            *("--bind", str(self.place.parent), str(self.place.parent)),
        ]

    def _bind(self, name: str, at: str) -> list[str]:
        return ["--bind", str(self.place / name), at]

    def _device(self, path: Path) -> list[str]:
        return ["--bind", str(path), f"/dev/{path.name}"]

    def _usr_lib(self) -> list[str]:
        words: list[str] = []
        for path in sorted(Path("/usr/lib").iterdir()):
            if path.is_symlink():
                words += ["--symlink", str(path.readlink()), str(path)]
            else:
                words += ["--ro-bind", str(path), str(path)]
        return words

    def _sysfs(self) -> None:
        block = "sys/block/vda"
        self._write(f"{block}/size", f"{DISK // 512}\n".encode())
        self._write(f"{block}/queue/logical_block_size", b"512\n")
        for number in range(1, 6):
            start = 40 if number == 1 else 128 * (number - 1)
            facts = {"partition": number, "start": start, "size": 112, "dev": f"254:{number}"}
            for name, value in facts.items():
                self._write(f"{block}/vda{number}/{name}", f"{value}\n".encode())

    def _write(self, name: str, content: bytes) -> None:
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def _program(self, path: Path, script: str) -> None:
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)


@pytest.fixture
def shop(tmp_path: Path) -> MadeRepository:
    clock = StoppedClock(SystemClock().now())
    return made_repository(tmp_path, clock=clock, signing=sign_release)


@pytest.fixture
def box(tmp_path: Path, shop: MadeRepository) -> Box:
    made = Box(tmp_path / "box")
    made.make(factory_media(), shop.root_json, f"file://{shop.directory}")
    return made


def lowered(box: Box, name: str, left: int) -> None:
    """The loader counts a try."""
    stem = name.partition("+")[0]
    (box.entries / name).rename(box.entries / f"{stem}+{left}-{3 - left}.efi")


def updated(box: Box, shop: MadeRepository) -> None:
    box.run("boot-step", "assess", "health", "bless")
    shop.publish(NEW.release, bytes(signed_payload(NEW)))
    box.run("update-ctl", "apply")


def test_a_new_machine_is_judged_and_blessed(box: Box) -> None:
    assert box.status()["health"] == "pending"
    box.run("boot-step", "assess", "health", "bless")
    status = box.status()
    assert (status["version"], status["slot"], status["health"]) == ("1.0.0", "a", "healthy")
    assert status["floor"] == "1.0.0"


def test_an_update_goes_through_all_its_stations(box: Box, shop: MadeRepository) -> None:
    updated(box, shop)
    assert starts(box.media()) == "1.0.1"
    assert box.status()["operation"] == "UPDATE_STATUS_UPDATED_NEED_REBOOT"
    assert (box.place / "run/reboot-required").exists()

    lowered(box, "twinkeel_1.0.1+3-0.efi", 2)
    box.start(NEW, "2")
    box.run("boot-step", "assess", "health", "bless")
    box.run("boot-step", "stable")
    status = box.status()
    assert (status["version"], status["slot"], status["health"]) == ("1.0.1", "b", "healthy")
    assert sorted(box.media().files) == ["twinkeel_1.0.0.efi", "twinkeel_1.0.1.efi"]
    assert "came up healthy" in box.run("update-ctl", "why")


def test_a_failing_check_leads_back_and_into_quarantine(box: Box, shop: MadeRepository) -> None:
    updated(box, shop)
    lowered(box, "twinkeel_1.0.1+3-0.efi", 2)
    box.start(NEW, "2")
    check = box.place / "usrlib/update-engine/health.d/90-broken"
    check.write_text("#!/bin/sh\necho broken on purpose\nexit 1\n")
    check.chmod(0o755)
    with pytest.raises(HostFailure, match="exit 1"):
        box.run("boot-step", "assess", "health")
    assert "reboot" in (box.place / "run/systemctl.log").read_text()

    lowered(box, "twinkeel_1.0.1+2-1.efi", 0)
    box.start(OLD, "3")
    check.unlink()
    box.run("boot-step", "assess", "health", "bless")
    why = box.run("update-ctl", "why")
    assert "health check 90-broken failed: broken on purpose" in why
    assert "nothing newer" in box.run("update-ctl", "apply")


def test_a_payload_of_the_image_alone_is_not_signed_by_the_repository(
    box: Box, tmp_path: Path
) -> None:
    payload = tmp_path / "box" / "full.payload"
    payload.write_bytes(bytes(signed_payload(NEW)))
    with pytest.raises(HostFailure, match="exit 3"):
        box.run("update-ctl", "apply", "--payload", str(payload))
    assert starts(box.media()) == "1.0.0"


def test_settings_name_their_files(box: Box) -> None:
    settings = json.loads(box.run("update-ctl", "config", "--json"))
    origin = settings["repository.url"]["origin"]
    assert origin == "/usr/lib/update-engine/config.d/10-image.toml"


def test_going_back_needs_a_good_version(box: Box) -> None:
    with pytest.raises(HostFailure, match="exit 11"):
        box.run("update-ctl", "rollback")


def test_elsewhere_the_program_says_what_it_needs(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import sys; from update_engine.cli import main; sys.exit(main())"
    script = f"{sys.executable} -c '{code}' status 2>{log}; echo $?"
    status = RUNNER.run(Command(["/bin/sh", "-c", script], env={"PYTHONPATH": str(ROOT)}))
    assert status == b"74\n"
    assert "update-ctl works on a machine booted from an image" in log.read_text()
