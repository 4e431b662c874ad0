"""What a scenario observed, by name, for the tests to assert on.

A machine takes minutes to boot, so one scenario serves many tests: it runs once, in the
background, and records what it sees. Each test then looks at one record. If the scenario
breaks, what was recorded before still counts, and every test that asks for more shows
what broke it.
"""

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from builder.machine.console import Report
from builder.machine.guest import Machine
from hostio.system.clock import SystemClock


class Observations:
    """Records of one scenario.

    Args:
        log: file that receives each record with its time, for people.
    """

    def __init__(self, log: Path) -> None:
        self._records: dict[str, str] = {}
        self._log = log
        self._clock = SystemClock()
        self._started: float | None = None
        self._seconds = 0.0
        self._ended = threading.Event()
        self._error: BaseException | None = None

    @property
    def duration(self) -> float:
        """Seconds that the scenario ran, to its end or until now; 0 if it did not begin."""
        if self._started is None:
            return 0.0
        if self._ended.is_set():
            return self._seconds
        return self._clock.monotonic() - self._started

    def record(self, name: str, text: str) -> str:
        """Keep an observation."""
        self._records[name] = text
        with self._log.open("a") as log:
            log.write(f"--- {self.duration:.0f} s: {name}\n{text.rstrip()}\n")
        return text

    def record_boot(self, name: str, report: Report) -> None:
        """Keep the report of a machine that became ready."""
        self.record(name, json.dumps(report.status))

    def record_commands(self, guest: Machine, when: str, commands: Mapping[str, str]) -> None:
        """Run commands in the guest and keep the output of each as ``when: name``."""
        for name, command in commands.items():
            self.record(f"{when}: {name}", guest.ssh(command))

    def run(self, scenario: Callable[[], None]) -> None:
        """Run the scenario to its end, well or not."""
        self._started = self._clock.monotonic()
        try:
            scenario()
        except BaseException as error:
            self._error = error
            self.record("the scenario broke", repr(error))
            raise
        finally:
            self._seconds = self.duration
            self._ended.set()

    def text(self, name: str) -> str:
        """An observation; waits until it is made.

        Raises:
            AssertionError: the scenario ended without it.
        """
        while name not in self._records:
            if self._ended.wait(0.5) and name not in self._records:
                raise AssertionError(f"never observed: {name}") from self._error
        return self._records[name]

    def status(self, name: str) -> Mapping[str, object]:
        """An observation that is one JSON object."""
        status = json.loads(self.text(name))
        assert isinstance(status, dict)
        return status
