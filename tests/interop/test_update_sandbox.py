"""The sandbox of each unit, drawn by a real systemd around what the engine does.

systemd runs as PID 1 of a namespace of its own, with nothing but one unit that
has the confinement of the image's unit and another program: it locks, writes
the state, mounts and writes a file system, and writes a block device.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostio.system.runner import Command, LocalRunner
from tests.checkout import ROOT

UNITS = ROOT / "images/minimal/overlay/usr/lib/systemd/system"
CONFINED = ("-run", "-bless", "-stable", "-end", "-deadline", "")
SYSTEMD = Path("/lib/systemd/systemd")
RUNNER = LocalRunner()

pytestmark = [
    pytest.mark.interop,
    pytest.mark.root,
    pytest.mark.skipif(
        not (SYSTEMD.exists() and shutil.which("unshare") and shutil.which("losetup")),
        reason="needs systemd and loop devices",
    ),
]

WORK = """\
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from hostio.disk.blockdev import FileBlockDevice
from hostio.files.preallocated import PreallocatedFile
from hostio.files.lock import locked
from hostio.system.runner import Command, LocalRunner
device, run = sys.argv[2], LocalRunner().run
esp = Path("/run/update-engine/esp")

def lock():
    with locked(Path("/run/update-engine/lock"), busy="busy"):
        pass

def state():
    PreallocatedFile(Path("/var/lib/update-engine/state.json"), mode=0o644).write('{"a": 1}')

def mount():
    esp.mkdir(parents=True, exist_ok=True)
    run(Command(["mount", "-t", "ext4", "-o", "rw,nosuid,nodev,noexec", device, str(esp)]))
    (esp / "x").write_text("y")
    run(Command(["umount", str(esp)]))

def block():
    with FileBlockDevice(Path(device)) as disk:
        disk.write(0, disk.read(0, 4096))
        disk.drop_cache()

def request():
    Path("/run/reboot-required").write_text("")

def systemd():
    run(Command(["systemctl", "list-jobs", "--no-legend"]))

def usr():
    if not os.access("/usr", os.W_OK):
        raise PermissionError("read-only")

for act in (lock, state, mount, block, request, systemd, usr):
    try:
        act()
        print(act.__name__, "done", flush=True)
    except BaseException as error:
        print(act.__name__, "refused", type(error).__name__, error, file=sys.stderr, flush=True)
"""
# In an own namespace of processes, mounts and control groups: nothing outlives it.
PID_1 = """\
set -e
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/update-engine /var/lib/update-engine
mount -t tmpfs tmpfs /var/lib/update-engine
umount /sys/fs/cgroup || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$1" && echo $$ > "/sys/fs/cgroup/$1/cgroup.procs"
cp "$2/sandbox.target" "$2/sandbox.service" /run/systemd/system
cp "$2/work.py" /run
export container=test
exec unshare -C sh -c 'umount /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec /lib/systemd/systemd --system --unit=sandbox.target --log-target=console --show-status=no'
"""


@pytest.fixture
def device(tmp_path: Path) -> Iterator[str]:
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(8 << 20)
    name = RUNNER.run(Command(["losetup", "-f", "--show", str(image)])).decode().strip()
    RUNNER.run(Command(["mkfs.ext4", "-q", name]))
    yield name
    RUNNER.run(Command(["losetup", "-d", name]))


def confinement(unit: str) -> str:
    """The settings of a unit that confine it: everything below the comment that says so."""
    text = (UNITS / f"update-engine{unit}.service").read_text()
    for beginning in ("# What an update engine never does.", "# Confined without"):
        if beginning in text:
            return text[text.index(beginning) :]
    raise AssertionError(f"update-engine{unit}.service is not confined")


@pytest.mark.parametrize("unit", CONFINED)
def test_the_sandbox_has_room_for_the_work_and_for_little_else(
    unit: str, device: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "sandbox.target").write_text(
        "[Unit]\nDefaultDependencies=no\nWants=sandbox.service\n"
    )
    (tmp_path / "sandbox.service").write_text(
        "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\n"
        f"StandardOutput=file:{out}\nStandardError=journal+console\n"
        f"ExecStart={sys.executable} -B /run/work.py {ROOT} {device}\n"
        f"ExecStopPost=/bin/systemctl exit 0\n{confinement(unit)}"
    )
    script = tmp_path / "pid1"
    script.write_text(PID_1)
    own = f"twinkeel-{tmp_path.name}"
    call = ["unshare", "-p", "-m", "-f", "--kill-child", "--propagation", "private", "sh"]
    shell = f"timeout 60 {' '.join(call)} {script} {own} {tmp_path} 2>&1 || true"
    said = RUNNER.run(Command(["/bin/sh", "-c", shell], timeout=90)).decode(errors="replace")
    done = [line.split()[0] for line in out.read_text().splitlines()]
    expected = ["lock", "state", "mount", "block", "request", "systemd"]
    assert done == expected + ["usr"] * (unit == "-deadline"), said
