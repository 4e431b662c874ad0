"""Programs that run beside us, with real processes."""

import signal
import subprocess  # noqa: TID251 - a process of ours is killed from outside
import sys
import threading
from pathlib import Path

import pytest

from hostio.system.clock import SystemClock
from hostio.system.runner import Command
from hostio.system.spawner import LocalSpawner, Process
from osmodel.faults import HostFailure
from tests.checkout import ROOT

SLEEP = Command(("sleep", "600"))
SPAWN = """
import sys
from pathlib import Path
from hostio.system.runner import Command
from hostio.system.spawner import LocalSpawner
print(LocalSpawner().spawn(Command(("sleep", "600")), Path(sys.argv[1])).pid, flush=True)
sys.stdin.read()
"""


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # its new parent may not have asked for its exit status yet


def test_a_program_ends_with_us_even_if_we_are_killed(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", SPAWN, str(tmp_path / "log")]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as ours:
        assert ours.stdout is not None
        pid = int(ours.stdout.readline())
        assert is_alive(pid)
        ours.send_signal(signal.SIGKILL)
    clock = SystemClock()
    deadline = clock.monotonic() + 60
    while is_alive(pid) and clock.monotonic() < deadline:
        clock.sleep(0.01)
    assert not is_alive(pid)


def test_a_program_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    found: list[Process] = []
    thread = threading.Thread(
        target=lambda: found.append(LocalSpawner().spawn(SLEEP, tmp_path / "log"))
    )
    thread.start()
    thread.join()
    (process,) = found
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.2)
    process.kill()
    assert process.wait(60) == -signal.SIGKILL


def test_what_a_program_prints_is_appended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for word in ("one", "two"):
        command = Command(("sh", "-c", f"echo {word} >&2"))
        assert LocalSpawner().spawn(command, log).wait(60) == 0
    assert log.read_text() == "one\ntwo\n"


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostFailure, match="program not found: no-such-program"):
        LocalSpawner().spawn(Command(("no-such-program",)), tmp_path / "log")
