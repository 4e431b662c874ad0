"""The service manager of this machine, asked through systemctl.

Jobs are queued, not waited for: a unit that hangs must not hold the start of
the machine. The one exception is a mount, since files are written into it.
"""

from __future__ import annotations

from typing import Protocol

from hostio.system.runner import Command, Runner
from osmodel.faults import HostFailure

_TIMEOUT = 60.0  # seconds; queueing a job takes a few milliseconds
# Generators run at a reload, and on an emulated machine at its first start they
# compete with everything else: half a minute was seen.
_RELOAD_TIMEOUT = 300.0  # seconds


class UnitManager(Protocol):
    """Port for units; the fake is ``tests.fakes.cloudparts.RamUnits``.

    All but the questions raise ``HostFailure`` when the manager refuses.
    """

    def reload(self) -> None:
        """Read the unit files again."""
        ...

    def is_enabled(self, name: str) -> bool:
        """Whether the unit is enabled, or need not be."""
        ...

    def is_active(self, name: str) -> bool:
        """Whether the unit runs, is being started or is being stopped."""
        ...

    def enable(self, name: str, *, runtime: bool) -> None:
        """Enable a unit; with ``runtime`` until the next restart of the machine."""
        ...

    def disable(self, name: str, *, runtime: bool) -> None:
        """Take back what :meth:`enable` did."""
        ...

    def command(self, verb: str, name: str, *, wait: bool = False) -> None:
        """Queue ``start``, ``stop``, ``restart`` ... for a unit.

        Args:
            verb: as systemctl knows it.
            name: of the unit.
            wait: for the job, at most 60 s.
        """
        ...

    def start_script(self, unit: str, script: str, ended: str, description: str) -> None:
        """Run a file as a transient unit.

        Args:
            unit: its name.
            script: absolute path of the executable file.
            ended: absolute path of a file made when it ended, however it did.
            description: of the unit, for people.
        """
        ...


class Systemctl:
    """This machine's manager; see :class:`UnitManager`."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def reload(self) -> None:
        """See :meth:`UnitManager.reload`."""
        self._run("systemctl", "daemon-reload", timeout=_RELOAD_TIMEOUT)

    def is_enabled(self, name: str) -> bool:
        """See :meth:`UnitManager.is_enabled`."""
        return self._succeeds("systemctl", "is-enabled", "--quiet", "--", name)

    def is_active(self, name: str) -> bool:
        """See :meth:`UnitManager.is_active`."""
        # Not is-active: it denies units that are only being started.
        words = ("systemctl", "show", "--property=ActiveState", "--value", "--", name)
        return self._run(*words).strip() in {
            b"active",
            b"activating",
            b"deactivating",
            b"reloading",
        }

    def enable(self, name: str, *, runtime: bool) -> None:
        """See :meth:`UnitManager.enable`."""
        self._switch("enable", name, runtime=runtime)

    def disable(self, name: str, *, runtime: bool) -> None:
        """See :meth:`UnitManager.disable`."""
        self._switch("disable", name, runtime=runtime)

    def command(self, verb: str, name: str, *, wait: bool = False) -> None:
        """See :meth:`UnitManager.command`."""
        waiting = () if wait else ("--no-block",)
        self._run("systemctl", *waiting, verb, "--", name)

    def start_script(self, unit: str, script: str, ended: str, description: str) -> None:
        """See :meth:`UnitManager.start_script`."""
        self._run(
            "systemd-run",
            "--quiet",
            "--no-block",
            f"--unit={unit}",
            f"--description={description}",
            f"--property=ExecStopPost=/usr/bin/touch {ended}",
            "--",
            script,
        )

    def _switch(self, verb: str, name: str, *, runtime: bool) -> None:
        # The manager reads everything again once, when all unit files are in place.
        words = ("systemctl", verb, "--quiet", "--no-reload")
        self._run(*words, *(("--runtime",) if runtime else ()), "--", name)

    def _run(self, *words: str, timeout: float = _TIMEOUT) -> bytes:
        return self._runner.run(Command(words, timeout=timeout))

    def _succeeds(self, *words: str) -> bool:
        try:
            self._run(*words)
        except HostFailure:
            return False
        return True
