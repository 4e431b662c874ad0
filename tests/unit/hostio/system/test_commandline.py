"""How commands end; each test runs a real process with real streams."""

from __future__ import annotations

import os
import signal
import subprocess  # noqa: TID251 - streams of a process are what is tested
import sys
import textwrap
from pathlib import Path

import pytest

from hostio.system.commandline import INTERRUPTED, READER_LEFT
from osmodel.faults import HostFailure, InvalidInput
from tests.checkout import ROOT

FULL = Path("/dev/full")


def ended(
    body: str, *, stdout: int | None = subprocess.PIPE, **environment: str
) -> tuple[int, bytes, str]:
    """Run ``body`` as a program's body; status, output, messages."""
    lines = textwrap.indent(textwrap.dedent(body), "    ")
    code = (
        "import sys\n"
        "from hostio.system.commandline import run_program\n"
        "from osmodel.faults import *\n"
        f"def body():\n{lines}\n    return 0\n"
        "sys.exit(run_program('tool', body))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout or b"", done.stderr.decode()


def test_output_and_status_are_those_of_the_body() -> None:
    assert ended("sys.stdout.write('done\\n'); return 10") == (10, b"done\n", "")


def test_a_fault_is_one_line_with_its_hint() -> None:
    status, _, said = ended("raise InvalidInput('no such thing', hint='try another')")
    assert (status, said) == (
        InvalidInput.exit_status,
        "tool: no such thing\n  try another\n",
    )


def test_a_bug_keeps_its_traceback() -> None:
    status, _, said = ended("raise KeyError('x')")
    assert status == 1
    assert "Traceback" in said


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_a_full_disk_is_said_in_one_line(size: int) -> None:
    with FULL.open("wb") as full:
        status, _, said = ended(f"sys.stdout.write('x' * {size})", stdout=full.fileno())
    assert (status, said) == (
        HostFailure.exit_status,
        "tool: standard output: No space left on device\n",
    )


def test_a_body_that_tells_its_faults_itself_tells_a_full_disk_once() -> None:
    body = """
        from hostio.system.commandline import complain
        try:
            sys.stdout.write('x')
            sys.stdout.flush()
        except Fault as fault:
            complain('tool', fault)
            return fault.exit_status
    """
    with FULL.open("wb") as full:
        status, _, said = ended(body, stdout=full.fileno())
    assert (status, said.count("\n")) == (HostFailure.exit_status, 1)


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_a_reader_who_left_is_no_news(size: int) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        assert ended(f"sys.stdout.write('x' * {size})", stdout=write) == (READER_LEFT, b"", "")
    finally:
        os.close(write)


def test_output_that_was_closed_is_not_some_other_file(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(
        "from hostio.system.commandline import run_program\n"
        "import sys\n"
        "def body():\n"
        f"    with open({str(tmp_path / 'file')!r}, 'w') as file:\n"
        "        sys.stdout.write('result')\n"
        "        sys.stdout.flush()\n"
        "        file.write('content')\n"
        "    return 0\n"
        "sys.exit(run_program('tool', body))\n"
    )
    command = f"PYTHONPATH={ROOT} {sys.executable} {script} >&-"
    assert subprocess.run(["/bin/sh", "-c", command], check=False, timeout=60).returncode == 0
    assert (tmp_path / "file").read_text() == "content"


def test_a_terminal_of_ascii_shows_what_it_can() -> None:
    status, output, said = ended(
        "sys.stdout.write('Straße \\udcff'); sys.stderr.write('Öl')", PYTHONIOENCODING="ascii"
    )
    assert (status, output, said) == (0, rb"Stra\xdfe \udcff", r"\xd6l")


def test_an_interruption_is_one_line() -> None:
    status, _, said = ended(
        "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(9)"
    )
    assert (status, said) == (INTERRUPTED, "tool: interrupted\n")
    assert INTERRUPTED == 128 + signal.SIGINT


def test_messages_that_cannot_be_written_change_no_status() -> None:
    status, _, _ = ended(
        "import os; os.close(2); raise InvalidInput('nowhere to say it')",
    )
    assert status == InvalidInput.exit_status
