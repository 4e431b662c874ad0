"""Run other programs to their end.

A call is data (``Command``), so that a plan can be printed and compared before
anything runs. Programs see a fixed environment: no locale in the messages we
match and no user ``PATH``.
"""

from __future__ import annotations

import logging
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from osmodel.faults import HostFailure

_log = logging.getLogger(__name__)

ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
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
                of standard error.
            HostFailure: missing program, or timeout.
        """
        ...


class LocalRunner:
    """Runs commands on this machine."""

    def run(self, command: Command) -> bytes:
        """See :meth:`Runner.run`."""
        _log.debug("run: %s", command)
        try:
            done = subprocess.run(
                command.argv,
                input=command.stdin,
                env={**ENVIRONMENT, **command.env},
                cwd=command.cwd,
                timeout=command.timeout,
                capture_output=True,
                check=True,
            )
        except FileNotFoundError as error:
            raise HostFailure(f"program not found: {command.argv[0]}") from error
        except subprocess.TimeoutExpired as error:
            raise HostFailure(f"no end after {command.timeout:g} s: {command}") from error
        except subprocess.CalledProcessError as error:
            raise _failure(command, error) from error
        except (OSError, ValueError) as error:
            # Too long for the kernel, or no text that a program can be called with.
            raise HostFailure(f"can not run {command.argv[0]}: {error}") from error
        return done.stdout


def _failure(command: Command, error: subprocess.CalledProcessError) -> ProgramFailure:
    tail = error.stderr[-_KEPT_OUTPUT:].decode(errors="replace").strip()
    streams = (error.stdout, error.stderr)
    printed = "\n".join(text[-_MOST_EXPLAINED:].decode(errors="replace") for text in streams)
    return ProgramFailure(f"exit {error.returncode}: {command}\n{tail}", printed)
