"""Reboot the machine in order."""

from __future__ import annotations

from contextlib import suppress

from hostio.system.runner import Command, Runner
from osmodel.faults import Fault


def reboot(runner: Runner) -> None:
    """Put the journal on disk, then have systemd reboot; returns before it does.

    Raises:
        HostFailure: systemd refused.
    """
    with suppress(Fault):
        runner.run(Command(["journalctl", "--sync"], timeout=30))
    runner.run(Command(["systemctl", "--no-block", "reboot"], timeout=60))
