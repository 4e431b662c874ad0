"""Run other programs; the only module that imports subprocess.

A call is data (``Command``), so that a plan can be printed and compared before
anything runs. Programs see a fixed environment: no locale in the messages we
match and no user ``PATH``.
"""

from __future__ import annotations

import functools
import logging
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from osmodel.faults import HostFailure

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_log = logging.getLogger(__name__)

_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
_KEPT_OUTPUT = 4096  # bytes of standard error quoted in a failure


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
            HostFailure: missing program, non-zero exit or timeout; the message
                ends with the last 4096 bytes of standard error.
        """
        ...


class Process(Protocol):
    """A program that is running beside us."""

    @property
    def pid(self) -> int:
        """Process id, for messages and for signals to this process alone."""
        ...

    def poll(self) -> int | None:
        """Exit status, or ``None`` while it runs."""
        ...

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        ...

    def kill(self) -> None:
        """End it at once (SIGKILL), as a power cut would."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Exit status once it has ended; waits at most ``timeout`` seconds."""
        ...


class Spawner(Protocol):
    """Port for starting a program that runs beside us."""

    def spawn(self, command: Command, output: Path) -> Process:
        """Start ``command``; what it prints is appended to ``output``.

        Raises:
            HostFailure: the program is missing.
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
                env={**_ENVIRONMENT, **command.env},
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
            tail = error.stderr[-_KEPT_OUTPUT:].decode(errors="replace").strip()
            raise HostFailure(f"exit {error.returncode}: {command}\n{tail}") from error
        except (OSError, ValueError) as error:
            # Too long for the kernel, or no text that a program can be called with.
            raise HostFailure(f"can not run {command.argv[0]}: {error}") from error
        return done.stdout


@functools.cache
def _spawning() -> ThreadPoolExecutor:
    """The thread that starts all programs that run beside us.

    The kernel ends such a program when the thread ends that started it, not the process;
    this one lives as long as we do.
    """
    # Programs at boot import this module and never spawn.
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - see above

    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


def _ends_with_us(argv: Sequence[str]) -> tuple[str, ...]:
    """The call of a program that the kernel kills when we end.

    If we end before the kernel was asked for that, the program has another parent by then
    and is not started.
    """
    check = '[ "$PPID" = "$0" ] || exit 125; exec "$@"'
    return ("setpriv", "--pdeathsig", "KILL", "sh", "-c", check, str(os.getpid()), *argv)


class LocalSpawner:
    """Starts long-running programs on this machine, which end with us, however we end."""

    def spawn(self, command: Command, output: Path) -> Process:
        """Start ``command`` in a session of its own.

        Args:
            command: what to start; ``stdin`` and ``timeout`` are not used.
            output: file that receives standard output and standard error.

        Raises:
            HostFailure: the program is missing.
        """
        _log.debug("spawn: %s", command)
        import shutil  # noqa: PLC0415 - see _spawning

        environment = {**_ENVIRONMENT, **command.env}
        if shutil.which(command.argv[0], path=environment["PATH"]) is None:
            raise HostFailure(f"program not found: {command.argv[0]}")
        with output.open("ab") as sink:
            return (
                _spawning()
                .submit(
                    subprocess.Popen,
                    _ends_with_us(command.argv),
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    cwd=command.cwd,
                    start_new_session=True,
                )
                .result()
            )
