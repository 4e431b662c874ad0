"""Restart the machine through its service manager."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

from hostio.system.runner import Command, Runner
from osmodel.faults import Fault


class Power(Protocol):
    """Port for restarting; the fake is ``tests.fakes.power.RamPower``."""

    def reboot(self) -> None:
        """Put the journal on disk, then begin an orderly restart; returns before it.

        Raises:
            HostFailure: the service manager refused.
        """
        ...

    def reboot_regardless(self) -> None:
        """Restart even if the service manager does not: in order, else by force.

        For a version that must not stay up. File systems are written back and
        the journal is put on disk as far as that works.

        Raises:
            HostFailure: the kernel refused.
        """
        ...


class SystemctlPower:
    """This machine; see :class:`Power`.

    Args:
        runner: runs ``journalctl`` and ``systemctl``.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def reboot(self) -> None:
        """See :meth:`Power.reboot`."""
        self._put_journal_on_disk()
        self._systemctl("--no-block", "reboot")

    def reboot_regardless(self) -> None:
        """See :meth:`Power.reboot_regardless`."""
        with suppress(Fault):
            self.reboot()
            return
        # Once: without stopping units, but with file systems unmounted. Twice:
        # systemctl calls the kernel itself.
        with suppress(Fault):
            self._systemctl("--force", "reboot")
            return
        self._systemctl("--force", "--force", "reboot")

    def _put_journal_on_disk(self) -> None:
        with suppress(Fault):
            self._runner.run(Command(["journalctl", "--sync"], timeout=30))

    def _systemctl(self, *words: str) -> None:
        self._runner.run(Command(["systemctl", *words], timeout=60))
