"""Programs that are run to their end, and what becomes of those that do not come to one."""

import os
import signal
import threading
from pathlib import Path

import pytest

from hostio.system.clock import SystemClock
from hostio.system.runner import Command, LocalRunner
from osmodel.faults import HostFailure

CLOCK = SystemClock()


def shell(script: str, *, timeout: float = 30.0, stdin: bytes = b"") -> bytes:
    return LocalRunner().run(Command(["/bin/sh", "-c", script], timeout=timeout, stdin=stdin))


def gone(pid: int) -> bool:
    """Whether a process ended; a moment later is good enough."""
    until = CLOCK.monotonic() + 10
    while CLOCK.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        CLOCK.sleep(0.02)
    return False


def test_a_program_is_fed_and_its_output_returned() -> None:
    content = b"x" * 300_000
    assert shell("cat; echo noise >&2", stdin=content) == content


def test_a_program_that_reads_nothing_may_be_fed() -> None:
    assert shell("echo done", stdin=b"x" * 300_000) == b"done\n"


@pytest.mark.parametrize(
    ("script", "quoted"),
    [
        ("echo told >&2; echo shown; exit 3", "told"),
        ("echo shown; exit 3", "shown"),
        ("echo >&2; echo shown; exit 3", "shown"),
    ],
)
def test_a_failure_quotes_what_the_program_complained_about(script: str, quoted: str) -> None:
    with pytest.raises(HostFailure, match="exit 3") as told:
        shell(script)
    assert str(told.value).splitlines()[-1] == quoted


@pytest.mark.parametrize("program", ["/no/such/program", "/etc/passwd", "/bin/\0sh"])
def test_what_cannot_be_run_is_a_host_failure(program: str) -> None:
    with pytest.raises(HostFailure):
        LocalRunner().run(Command([program]))


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM; "])
def test_time_ends_a_program_with_its_children(tmp_path: Path, stubborn: str) -> None:
    """A child that holds the pipes must not keep us waiting."""
    began = CLOCK.monotonic()
    script = f"{stubborn}sleep 60 & echo $! > {tmp_path}/child; wait; sleep 60"
    with pytest.raises(HostFailure, match=r"no end after 0\.5 s"):
        shell(script, timeout=0.5)
    assert CLOCK.monotonic() - began < 20
    assert gone(int((tmp_path / "child").read_text()))


def test_an_interruption_ends_a_program_with_its_children(tmp_path: Path) -> None:
    def interrupt() -> None:
        while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
            CLOCK.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        shell(f"sleep 60 & echo $! > {tmp_path}/child; wait")
    thread.join()
    assert gone(int((tmp_path / "child").read_text()))
