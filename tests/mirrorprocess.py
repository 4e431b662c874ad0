"""``update-mirror serve`` as a process of its own."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hostio.system.clock import SystemClock
from hostio.system.runner import Command
from hostio.system.spawner import LocalSpawner, Process
from osmodel.faults import HostFailure
from tests.checkout import ROOT

_DEADLINE = 60.0  # seconds for a Python to start on a busy machine


@dataclass(frozen=True, slots=True)
class MirrorProcess:
    """A running server.

    Attributes:
        process: ends with the test, or with us if we are killed.
        url: of the repository.
        log: what it printed.
    """

    process: Process
    url: str
    log: Path

    @property
    def port(self) -> int:
        """Where it listens on the loopback address."""
        return int(self.url.rstrip("/").rpartition(":")[2])


@contextmanager
def serving(repository: Path, log: Path) -> Iterator[MirrorProcess]:
    """Serve a repository on a free port of the loopback address.

    Raises:
        HostFailure: it does not begin to serve.
    """
    listen = ("--listen", "127.0.0.1:0", "--json")
    argv = (sys.executable, "-m", "mirror.cli", "serve", str(repository), *listen)
    log.write_bytes(b"")
    process = LocalSpawner().spawn(Command(argv, cwd=ROOT), log)
    try:
        yield MirrorProcess(process, _url(process, log), log)
    finally:
        process.terminate()
        process.wait(30)


def _url(process: Process, log: Path) -> str:
    clock = SystemClock()
    deadline = clock.monotonic() + _DEADLINE
    while not (said := [line for line in log.read_text().splitlines() if '"serving"' in line]):
        if process.poll() is not None or clock.monotonic() > deadline:
            raise HostFailure(f"the mirror does not serve\n{log.read_text()}")
        clock.sleep(0.05)
    url: str = json.loads(said[0])["url"]
    return url
