"""Start programs that run beside us.

Apart from ``hostio.system.runner``: the programs of a boot run others to their
end and never spawn, and what is imported here is large.
"""

from __future__ import annotations

import functools
import logging
import os
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from hostio.system.runner import ENVIRONMENT, Command
from osmodel.faults import HostFailure

_log = logging.getLogger(__name__)


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


@functools.cache
def _spawning() -> ThreadPoolExecutor:
    """The thread that starts all programs that run beside us.

    The kernel ends such a program when the thread ends that started it, not the process;
    this one lives as long as we do.
    """
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
        environment = {**ENVIRONMENT, **command.env}
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
