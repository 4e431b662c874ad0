"""``update_engine_client``: the flags and the output scripts have known since 2014.

Everything goes over D-Bus, so user ``core`` can do what it always could.
``-update`` waits for its outcome and therefore needs root, like ``update-ctl``.

Source: flatcar/update_engine, client/update_engine_client.cc.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import TextIO

from hostio.system.clock import Clock, SystemClock
from hostio.system.commandline import complain, run_program
from hostio.system.runner import Command, LocalRunner, Runner
from osmodel.faults import Fault, HostFailure

_DESTINATION = ("com.coreos.update1", "/com/coreos/update1", "com.coreos.update1.Manager")
_POLL = 5.0  # seconds, as there
_LONGEST = 6 * 3600.0


def parser() -> argparse.ArgumentParser:
    """The command line: flags with one or two dashes."""
    top = argparse.ArgumentParser(
        prog="update_engine_client",
        description="Compatible with the client of CoreOS; see update-ctl for more.",
    )
    one = top.add_mutually_exclusive_group(required=True)
    for name, text in (
        ("status", "print the status"),
        ("check_for_update", "start an update and do not wait"),
        ("update", "update and wait; 0 when updated or nothing to do"),
        ("reset_status", "take back an update that was not started"),
        ("watch_for_updates", "print the status whenever it changes"),
    ):
        one.add_argument(f"-{name}", f"--{name}", action="store_true", help=text)
    return top


class Client:
    """One call of the program."""

    def __init__(self, runner: Runner, clock: Clock, out: TextIO) -> None:
        self._runner = runner
        self._clock = clock
        self._out = out

    def status(self) -> int:
        """Print the status."""
        self._out.write(self._status())
        return 0

    def check_for_update(self) -> int:
        """Start a worker."""
        self._call("AttemptUpdate")
        return 0

    def update(self) -> int:
        """Run a worker to its end."""
        self._runner.run(Command(["update-ctl", "apply"], timeout=_LONGEST))
        return self.status()

    def reset_status(self) -> int:
        """Take back what was not started."""
        self._call("ResetStatus")
        return 0

    def watch_for_updates(self) -> int:
        """Print the status at each change, for ever."""
        last = ""
        while True:
            text = self._status()
            if text != last:
                self._out.write(text)
                self._out.flush()
                last = text
            self._clock.sleep(_POLL)

    def _status(self) -> str:
        try:
            last_checked, progress, operation, version, size = json.loads(self._call("GetStatus"))[
                "data"
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise HostFailure(f"the update engine answers nonsense: {error}") from error
        return (
            f"LAST_CHECKED_TIME={last_checked}\nPROGRESS={progress:f}\nCURRENT_OP={operation}\n"
            f"NEW_VERSION={version}\nNEW_SIZE={size}\n"
        )

    def _call(self, method: str) -> bytes:
        argv = ["busctl", "--json=short", "--timeout=120", "call", *_DESTINATION, method]
        return self._runner.run(Command(argv, timeout=180))


def run(arguments: Sequence[str], client: Client) -> int:
    """Do the one thing asked for and return the exit status: 0 or 1, as there."""
    options = vars(parser().parse_args(arguments))
    (chosen,) = [name for name, given in options.items() if given]
    act: Callable[[], int] = getattr(client, chosen)
    try:
        return act()
    except Fault as fault:
        complain("update_engine_client", fault)
        return 1


def main() -> int:
    """Entry point."""

    def body() -> int:
        return run(sys.argv[1:], Client(LocalRunner(), SystemClock(), sys.stdout))

    return run_program("update_engine_client", body)
