"""Run a program without the machinery of ``hostio.system.runner``.

For PID 1 in the initrd: output goes to the console, the program may be run
inside another root, and the watchdog is kept alive as long as it works.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from hostio.system.clock import Clock
from osmodel.faults import HostFailure

_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "SYSTEMD_COLORS": "0",
}
REPAIR_TIMEOUT = 1800.0  # seconds; a large disk takes its time
_NOT_STARTED = 127
_POLL = 0.02  # seconds
_KEPT_OUTPUT = 16 * 1024  # bytes


class Ended(NamedTuple):
    """How a program ended.

    Attributes:
        status: exit status; 128 and more for a signal, 127 if it did not start.
        output: what it printed, the last 16 KiB.
    """

    status: int
    output: str


class Programs(Protocol):
    """Port for programs of the initrd; the fake is ``tests.fakes.kernel.RamKernel``."""

    def run(
        self, argv: Sequence[str], *, root: Path | None = None, timeout: float = REPAIR_TIMEOUT
    ) -> Ended:
        """Run a program to its end.

        Args:
            argv: program by absolute path, and arguments.
            root: directory that becomes its root, or ours.
            timeout: seconds after which it is killed.

        Raises:
            HostFailure: it did not end in time.
        """
        ...


class ForkedPrograms:
    """Programs of this machine; see :class:`Programs`.

    Args:
        clock: measures the time-out and waits.
        alive: called again and again while a program works.
    """

    def __init__(self, clock: Clock, alive: Callable[[], None]) -> None:
        self._clock = clock
        self._alive = alive

    def run(
        self, argv: Sequence[str], *, root: Path | None = None, timeout: float = REPAIR_TIMEOUT
    ) -> Ended:
        """See :meth:`Programs.run`."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        child = os.fork()
        if child == 0:
            _become(argv, root, writer)
        os.close(writer)
        os.set_blocking(reader, False)
        try:
            return self._follow(child, reader, argv[0], timeout)
        finally:
            os.close(reader)

    def _follow(self, child: int, reader: int, name: str, timeout: float) -> Ended:
        deadline = self._clock.monotonic() + timeout
        output = b""
        while True:
            done, status = os.waitpid(child, os.WNOHANG)
            output = (output + _available(reader))[-_KEPT_OUTPUT:]
            if done:
                code = os.waitstatus_to_exitcode(status)
                return Ended(
                    code if code >= 0 else 128 - code, output.decode(errors="replace").strip()
                )
            if self._clock.monotonic() > deadline:
                os.kill(child, 9)
                os.waitpid(child, 0)
                raise HostFailure(f"{name} did not end in {timeout:g} s")
            self._alive()
            self._clock.sleep(_POLL)


def _available(reader: int) -> bytes:
    """Everything in the pipe; a child of the child may still hold the other end."""
    pieces = []
    try:
        while piece := os.read(reader, _KEPT_OUTPUT):
            pieces.append(piece)
    except BlockingIOError:
        pass
    return b"".join(pieces)


def _become(argv: Sequence[str], root: Path | None, output: int) -> None:
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        if root is not None:
            os.chroot(root)
            os.chdir("/")
        os.execve(argv[0], list(argv), _ENVIRONMENT)  # noqa: S606 - no shell is wanted
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(_NOT_STARTED)
