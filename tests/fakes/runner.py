"""A runner that answers from a script."""

from collections.abc import Callable

from hostio.system.runner import Command
from osmodel.faults import HostFailure

Answer = Callable[[Command], bytes] | bytes


class ScriptedRunner:
    """Answers by program name; an unscripted program fails the test."""

    def __init__(self, **programs: Answer) -> None:
        self.commands: list[Command] = []
        self._programs = programs

    def run(self, command: Command) -> bytes:
        self.commands.append(command)
        name = command.argv[0].rsplit("/", 1)[-1].replace("-", "_").replace(".", "_")
        if name not in self._programs:
            raise AssertionError(f"unscripted program: {command}")
        answer = self._programs[name]
        return answer if isinstance(answer, bytes) else answer(command)


def failing(message: str) -> Callable[[Command], bytes]:
    """An answer that fails as a real tool does."""

    def answer(_: Command) -> bytes:
        raise HostFailure(message)

    return answer
