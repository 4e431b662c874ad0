"""Processes that exist only as a script."""

from collections.abc import Callable
from pathlib import Path

from hostio.system.runner import Command

Script = Callable[[Command, Path], None]


class ScriptedProcess:
    """Runs until it is killed, or has ended with ``status`` from the start."""

    def __init__(self, status: int | None = None) -> None:
        self.status = status
        self.killed = False

    @property
    def pid(self) -> int:
        return 4711

    def poll(self) -> int | None:
        return self.status

    def terminate(self) -> None:
        self.status = -15

    def kill(self) -> None:
        self.killed = True
        self.status = -9 if self.status is None else self.status

    def wait(self, timeout: float | None = None) -> int:
        del timeout
        if self.status is None:
            raise AssertionError("waited for a process that nobody ended")
        return self.status


class ScriptedSpawner:
    """Starts scripted processes; ``script`` does what the program does at its start."""

    def __init__(self, script: Script | None = None, *, status: int | None = None) -> None:
        self.commands: list[Command] = []
        self.processes: list[ScriptedProcess] = []
        self._script = script
        self._status = status

    def spawn(self, command: Command, output: Path) -> ScriptedProcess:
        self.commands.append(command)
        if self._script is not None:
            self._script(command, output)
        process = ScriptedProcess(self._status)
        self.processes.append(process)
        return process
