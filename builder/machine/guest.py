"""One virtual machine: its disk, its process and how to talk to it.

The built image is never written: the machine works on an overlay in its own
directory. Killing QEMU is a power cut; starting again goes on with the same disk.
Every wait has a deadline and notices at once when QEMU has ended.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

from builder.machine import console
from builder.machine.console import Report
from builder.machine.hardware import SSH_KEY_CREDENTIAL, Hardware, MachineFiles
from builder.machine.monitor import Monitor
from builder.machine.preparing import prepare
from builder.machine.qemucall import qemu_call
from builder.machine.sshclient import SshClient, make_key
from builder.machine.world import MachineWorld
from hostio.files.lock import has_record_locks
from hostio.net.localsocket import unix_channel
from hostio.system.runner import Command
from hostio.system.spawner import Process
from osmodel.faults import HostFailure

_POLL = 0.2  # seconds between two looks at a log file
_SHUTDOWN_DEADLINE = 180.0
_END_DEADLINE = 60.0  # seconds for a killed QEMU to be gone
_QUOTED_LINES = 15


class Machine:
    """A virtual machine that can be started, watched, spoken to and cut off.

    Use it as a context manager: whatever happens inside, QEMU ends with it.

    Args:
        world: ports.
        image: directory of the built image, for the overlay's backing file.
        files: the machine's files, from :func:`prepare`.
        hardware: what it consists of; the key for root is added to its credentials.
    """

    def __init__(
        self, world: MachineWorld, image: Path, files: MachineFiles, hardware: Hardware
    ) -> None:
        key = make_key(world.runner, files.key).encode() + b"\n"
        keys = {SSH_KEY_CREDENTIAL: key} if hardware.traits.is_virtual else {}
        self.hardware = replace(hardware, credentials={**hardware.credentials, **keys})
        self.files = files
        self.client = SshClient(world.runner, files.key, hardware.ssh_port, files.directory)
        self._clock = world.clock
        self._spawner = world.tools.spawner(
            world.spawner, (image.resolve(), files.directory, *hardware.media)
        )
        self._monitor = Monitor(lambda: unix_channel(files.monitor, timeout=30))
        self._process: Process | None = None
        self._closed = False
        self._switched_on = 0  # characters on the console before this start
        self._seen = len(self._reports())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def is_running(self) -> bool:
        """Whether QEMU runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def text(self) -> str:
        """All that the console printed since the machine was made."""
        return console.plain(_content(self.files.console))

    @property
    def starts(self) -> int:
        """How often the firmware started the loader, over the machine's life."""
        return console.starts(self.text)

    def start(self) -> None:
        """Switch it on; returns at once.

        Raises:
            HostFailure: QEMU cannot be started, or the machine was closed.
        """
        assert not self.is_running()
        if self._closed:
            raise HostFailure("the machine was closed")
        self.files.monitor.unlink(missing_ok=True)
        self._switched_on = len(self.text)
        call = Command(qemu_call(self.hardware, self.files))
        self._process = self._spawner.spawn(call, self.files.output)

    def report(self) -> Report | None:
        """The next report that was not returned yet, if there is one."""
        known = self._reports()
        if len(known) <= self._seen:
            return None
        self.client.hang_up(self._seen)
        self._seen += 1
        return known[self._seen - 1]

    def wait_ready(self, deadline: float | None = None) -> Report:
        """The next report that was not returned yet; waits for it.

        After a restart of the guest the next call waits for the next report.

        Args:
            deadline: seconds; what the board usually needs at most if not given.

        Raises:
            HostFailure: none came in ``deadline`` seconds, or QEMU ended.
        """
        found: list[Report] = []

        def reported() -> bool:
            found.extend(filter(None, [self.report()]))
            return bool(found)

        self.wait_for(reported, "to be ready", deadline or self.hardware.traits.boot_timeout)
        return found[0]

    def wait_for(self, condition: Callable[[], bool], purpose: str, deadline: float) -> None:
        """Wait until ``condition`` holds.

        Args:
            condition: asked several times a second.
            purpose: ends the sentence "waited N s for the machine ...".
            deadline: seconds.

        Raises:
            HostFailure: it did not hold in time, QEMU ended, or the firmware gave up.
        """
        end = self._clock.monotonic() + deadline
        while not condition():
            if not self.is_running():
                raise HostFailure(f"QEMU ended\n{self._last_lines()}")
            if console.firmware_gave_up(self.text[self._switched_on :]):
                raise HostFailure(f"the firmware found nothing to boot\n{self._last_lines()}")
            if self._clock.monotonic() > end:
                raise HostFailure(
                    f"waited {deadline:g} s for the machine {purpose}\n{self._last_lines()}"
                )
            self._clock.sleep(_POLL)

    def ssh(self, command: str, *, timeout: float = 300) -> str:
        """Run a shell command as root in the guest and return what it printed.

        Raises:
            HostFailure: no connection, a non-zero exit or no end in time.
        """
        return self.client.run(command, start=self._seen, timeout=timeout)

    def send(self, content: bytes, path: str, *, timeout: float = 300) -> None:
        """Write a file in the guest."""
        self.client.send(content, path, start=self._seen, timeout=timeout)

    def reset(self) -> None:
        """Press the reset button."""
        self._monitor.execute("system_reset")

    def powercut(self) -> None:
        """Pull the plug: nothing in the guest gets a chance to finish."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(_END_DEADLINE)
            self._wait_for_the_disk()
        self.client.hang_up(self._seen)

    def shutdown(self, deadline: float = _SHUTDOWN_DEADLINE) -> bool:
        """Press the power button and wait for the guest to go down.

        Returns:
            Whether it went down by itself; otherwise it was cut off. A board has no
            button.
        """
        if not self.is_running():
            return True
        if not self.hardware.traits.is_virtual:
            deadline = 0.0
        with contextlib.suppress(HostFailure):  # it may be ending right now
            self._monitor.execute("system_powerdown")
        end = self._clock.monotonic() + deadline
        while self.is_running() and self._clock.monotonic() < end:
            self._clock.sleep(_POLL)
        clean = not self.is_running()
        self.powercut()
        return clean

    def close(self) -> None:
        """End QEMU and the connection to the guest, for good; any thread may do it."""
        self._closed = True
        self.powercut()

    def _reports(self) -> list[Report]:
        if self.hardware.traits.is_virtual:
            return console.reports(_content(self.files.reports))
        return console.printed_reports(self.text)

    def _wait_for_the_disk(self) -> None:
        """QEMU may outlive the process that confined it by a moment."""
        end = self._clock.monotonic() + _END_DEADLINE
        while has_record_locks(self.files.disk):
            if self._clock.monotonic() > end:
                raise HostFailure(f"{self.files.disk}: still in use after {_END_DEADLINE:g} s")
            self._clock.sleep(_POLL)

    def _last_lines(self) -> str:
        output = _content(self.files.output).decode(errors="replace").splitlines()
        printed = [line for line in self.text.splitlines() if line.strip()]
        lines = [*printed[-_QUOTED_LINES:], *(f"qemu: {line}" for line in output[-_QUOTED_LINES:])]
        return "\n".join(lines)


@contextlib.contextmanager
def machine(
    world: MachineWorld, image: Path, directory: Path, hardware: Hardware, *, disk_size: int
) -> Iterator[Machine]:
    """A machine with its disk prepared; QEMU ends with the block."""
    files = prepare(world, image, directory, disk_size=disk_size, board=hardware.board)
    with Machine(world, image, files, hardware) as guest:
        yield guest


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
