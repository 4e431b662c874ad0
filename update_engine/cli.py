"""``update-ctl``: see, check, install, explain and roll back updates of this machine.

Slow imports (cryptography, TUF, HTTP) happen only in the verbs that need them;
``status`` is asked by other programs and must be cheap.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from hostio.system.commandline import complain, run_program
from osmodel.faults import Fault
from update_engine import commands
from update_engine.local import local_world
from update_engine.settings import Configuration, read_settings
from update_engine.world import EngineWorld


def parser() -> argparse.ArgumentParser:
    """The command line; manual page and completions come from it too."""
    top = argparse.ArgumentParser(
        prog="update-ctl",
        description="See, check, install, explain and roll back updates of this machine.",
        epilog="Exit status: 0 done; 10 check found nothing newer; 11 not possible at this time; "
        "2 wrong input; 3 untrusted data; 74 this machine failed; 75 try again later.",
    )
    verbs = top.add_subparsers(dest="verb", required=True)
    for name, text in (
        ("status", "what runs, what is installed, what failed"),
        ("check", "ask the repository for a newer version; installs nothing"),
        ("apply", "install the newest version; it starts at the next reboot"),
        ("why", "explain the version that runs, and why there is no other"),
        ("rollback", "start the other version at the next reboot"),
        ("config", "print the settings and the file each one comes from"),
        ("etc", "files of /etc that hide the image's, and whether the image's changed since"),
    ):
        verb = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        verb.add_argument("--json", action="store_true", help="print one line of JSON")
        verb.add_argument("-v", "--verbose", action="store_true", help="say each step")
        if name == "etc":
            verb.add_argument("--all", action="store_true", help="also files of this machine alone")
        if name in ("apply", "rollback"):
            verb.add_argument("--reboot", action="store_true", help="reboot when it is done")
        if name == "apply":
            verb.add_argument("--payload", type=Path, metavar="FILE", help="install from a file")
            verb.add_argument(
                "--retry", metavar="VERSION", help="let a quarantined version try again"
            )
            verb.add_argument(
                "--scheduled",
                action="store_true",
                help="as the timer does: end quietly while backing off or turned off",
            )
    _add_firmware(verbs)
    return top


def _add_firmware(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "a board's own firmware files: compare them with the image's, or replace them"
    verb = verbs.add_parser(
        "firmware",
        help=text,
        description=f"{text[0].upper()}{text[1:]}. They belong to no slot and change only on"
        " request. Do not cut the power during an update of them.",
    )
    verb.add_argument("action", choices=("status", "update"))
    verb.add_argument(
        "files", nargs="*", metavar="FILE", help="replace just these; config.txt only if named"
    )
    verb.add_argument("--json", action="store_true", help="print one line of JSON")
    verb.add_argument("-v", "--verbose", action="store_true", help="say each step")


def run(
    arguments: Sequence[str],
    world: EngineWorld,
    configuration: Configuration,
    out: TextIO | None = None,
) -> int:
    """Run one verb and return the exit status."""
    options = parser().parse_args(arguments)
    call = commands.Call(options, world, configuration, out or sys.stdout)
    try:
        return commands.VERBS[options.verb](call)
    except Fault as fault:
        complain("update-ctl", fault)
        return fault.exit_status


def main() -> int:
    """Entry point."""
    return run_program("update-ctl", lambda: _run_here(sys.argv[1:]))


def _run_here(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)  # --help works everywhere
    # What a person needs to know is printed; the journal gets every step.
    loud = options.verbose or getattr(options, "scheduled", False)
    logging.basicConfig(
        level=logging.INFO if loud else logging.CRITICAL, format="%(message)s", stream=sys.stderr
    )
    configuration = read_settings()
    return run(arguments, local_world(configuration), configuration)
