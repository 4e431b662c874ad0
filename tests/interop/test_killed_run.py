"""A run of the tests that is killed leaves no server and no guest behind."""

import signal
import subprocess  # noqa: TID251 - a run of ours is killed from outside
import sys
from pathlib import Path

import pytest

import mirror.cli
from builder.machine.cli import local_world
from hostio.system.clock import SystemClock
from mirror.server import serve
from mirror.world import MirrorWorld
from tests.checkout import ROOT
from tests.fakes.repository import copied

pytestmark = [pytest.mark.interop, pytest.mark.root]
# As the scenarios do: in threads of a process that serves a mirror and runs a guest.
RUN = """
import sys, threading
from pathlib import Path
from builder.machine.cli import local_world
from hostio.system.runner import Command
from tests.mirrorprocess import serving

place = Path(sys.argv[1])
forever = threading.Event()

def serve():
    with serving(place / "mirror", place / "log"):
        print("serving", flush=True)
        forever.wait()

def run_guest():
    world = local_world()
    monitor = f"unix:{place / 'qmp'},server=on,wait=off"
    machine = ("-machine", "q35", "-nodefaults", "-display", "none", "-S", "-qmp", monitor)
    command = Command(("qemu-system-x86_64", *machine))
    world.tools.spawner(world.spawner, (place,)).spawn(command, place / "guest.log")
    while not (place / "qmp").exists():
        world.clock.sleep(0.05)
    print("running", flush=True)
    forever.wait()

for work in (serve, run_guest):
    threading.Thread(target=work, daemon=True).start()
forever.wait()
"""


def processes_of(place: Path) -> list[str]:
    """Command lines that name a directory, of what runs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(str(place).encode() in word for word in words):
            found.append(b" ".join(words).decode())
    return found


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_of_a_killed_run(how: signal.Signals, tmp_path: Path) -> None:
    world = MirrorWorld(SystemClock(), copied, serve)
    arguments = ["init", str(tmp_path / "mirror"), "--threshold", "1", "--keys", "1"]
    assert mirror.cli.run(arguments, world) == 0
    local_world().tools.runner()  # makes the tools tree if there is none yet
    argv = [sys.executable, "-c", RUN, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT) as run:
        assert run.stdout is not None
        started = {run.stdout.readline().strip() for _ in range(2)}
        assert started == {"serving", "running"}
        assert len(processes_of(tmp_path)) >= 3  # the run, its server and its guest
        run.send_signal(how)
    clock = SystemClock()
    deadline = clock.monotonic() + 60
    while processes_of(tmp_path) and clock.monotonic() < deadline:
        clock.sleep(0.05)
    assert processes_of(tmp_path) == []
