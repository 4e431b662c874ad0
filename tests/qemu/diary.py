"""What was observed in a story, by name, for the tests to judge.

A machine takes minutes to boot, so one story serves many tests: it is lived once,
in the background, and writes down what it sees. Each test then reads one thing.
If the story breaks, whatever was observed before still counts, and every test
that asks for more shows what broke it.
"""

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from builder.machine.console import Report
from builder.machine.guest import Machine
from hostio.system.clock import SystemClock


class Diary:
    """Observations of one story.

    Args:
        log: file that receives each entry with its time, for people.
    """

    def __init__(self, log: Path) -> None:
        self._entries: dict[str, str] = {}
        self._log = log
        self._clock = SystemClock()
        self._started = self._clock.monotonic()
        self._ended = threading.Event()
        self._trouble: BaseException | None = None

    def write(self, name: str, text: str) -> str:
        """Keep an observation."""
        self._entries[name] = text
        seconds = self._clock.monotonic() - self._started
        with self._log.open("a") as log:
            log.write(f"--- {seconds:.0f} s: {name}\n{text.rstrip()}\n")
        return text

    def ready(self, name: str, report: Report) -> None:
        """Keep the report of a machine that became ready."""
        self.write(name, json.dumps(report.status))

    def ask(self, guest: Machine, when: str, questions: Mapping[str, str]) -> None:
        """Run commands in the guest and keep their output as ``when: question``."""
        for name, command in questions.items():
            self.write(f"{when}: {name}", guest.ssh(command))

    def live(self, story: Callable[[], None]) -> None:
        """Live the story to its end, well or not."""
        try:
            story()
        except BaseException as error:
            self._trouble = error
            self.write("the story broke", repr(error))
            raise
        finally:
            self._ended.set()

    def text(self, name: str) -> str:
        """An observation; waits until it is made.

        Raises:
            AssertionError: the story ended without it.
        """
        while name not in self._entries:
            if self._ended.wait(0.5) and name not in self._entries:
                raise AssertionError(f"never observed: {name}") from self._trouble
        return self._entries[name]

    def status(self, name: str) -> Mapping[str, object]:
        """An observation that is one JSON object."""
        status = json.loads(self.text(name))
        assert isinstance(status, dict)
        return status
