"""Run other programs to their end.

A call is data (``Command``), so that a plan can be printed and compared before
anything runs. Programs see a fixed environment: no locale in the messages we
match and no user ``PATH``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

from osmodel.faults import HostFailure

_log = logging.getLogger(__name__)

ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
_GRACE = 2.0  # seconds between asking a program to end and killing it
_KEPT_OUTPUT = 4096  # bytes of standard error quoted in a failure
_MOST_EXPLAINED = 64 << 10  # bytes of each stream that a caller may look at


class ProgramFailure(HostFailure):
    """A program ended with another status than 0.

    A kind of its own for callers who know where a program explains itself.

    Args:
        message: one line for the user, and the end of standard error.
        printed: the end of standard output and standard error.
    """

    def __init__(self, message: str, printed: str = "") -> None:
        super().__init__(message)
        self.printed = printed


@dataclass(frozen=True, slots=True)
class Command:
    """One program call.

    Attributes:
        argv: program and arguments; never a shell string.
        stdin: bytes fed to the program.
        env: variables added to the fixed environment.
        cwd: working directory, or the caller's.
        timeout: seconds before the program is killed.
    """

    argv: Sequence[str]
    stdin: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    timeout: float = 600.0

    def __str__(self) -> str:
        return shlex.join(self.argv)


class Runner(Protocol):
    """Port for running a program to its end; the fake is ``tests.fakes.runner``."""

    def run(self, command: Command) -> bytes:
        """Run to the end and return standard output.

        Raises:
            ProgramFailure: non-zero exit; the message ends with the last 4096 bytes
                of standard error, or of standard output if there is none.
            HostFailure: missing program, or timeout; its children end with it.
        """
        ...


class LocalRunner:
    """Runs commands on this machine."""

    def run(self, command: Command) -> bytes:
        """See :meth:`Runner.run`."""
        _log.debug("run: %s", command)
        interrupts = _HeldInterrupts()
        try:
            process = subprocess.Popen(
                command.argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**ENVIRONMENT, **command.env},
                cwd=command.cwd,
                # A group of its own, so that what the program started ends with it.
                process_group=0,
            )
        except FileNotFoundError as error:
            interrupts.let_go()
            raise HostFailure(f"program not found: {command.argv[0]}") from error
        except (OSError, ValueError) as error:
            interrupts.let_go()
            # Too long for the kernel, or no text that a program can be called with.
            raise HostFailure(f"can not run {command.argv[0]}: {error}") from error
        output, errors = _followed(process, command, interrupts)
        if process.returncode:
            raise _failure(command, process.returncode, output, errors)
        return output


def _failure(command: Command, status: int, output: bytes, errors: bytes) -> ProgramFailure:
    # Some programs complain on standard output.
    tail = (errors.strip() or output.strip())[-_KEPT_OUTPUT:].decode(errors="replace").strip()
    streams = (output, errors)
    printed = "\n".join(text[-_MOST_EXPLAINED:].decode(errors="replace") for text in streams)
    return ProgramFailure(f"exit {status}: {command}\n{tail}", printed)


class _HeldInterrupts:
    """Keeps Ctrl-C back while a program starts: its process is not known yet.

    A handler, since a blocked signal would be blocked in the program as well.
    """

    def __init__(self) -> None:
        self._arrived = False
        self._holds = threading.current_thread() is threading.main_thread()
        if self._holds:
            self._before = signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._arrived = True

    def let_go(self) -> None:
        """Handle interrupts as before, and the one that came meanwhile."""
        if self._holds:
            signal.signal(signal.SIGINT, self._before or signal.SIG_DFL)
        if self._arrived:
            raise KeyboardInterrupt


def _followed(
    process: subprocess.Popen[bytes], command: Command, interrupts: _HeldInterrupts
) -> tuple[bytes, bytes]:
    """What a program prints on both streams; it and its children end with us."""
    with process:
        try:
            interrupts.let_go()
            return process.communicate(command.stdin, command.timeout)
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise HostFailure(f"no end after {command.timeout:g} s: {command}") from error
        except BaseException:
            # Interrupted: the terminal tells our group only.
            _end(process)
            raise


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and everything in its group: in order, then by force."""
    for signal_, patience in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal_)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
