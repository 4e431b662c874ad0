"""The ``cloud-config`` command, and ``coreos-cloudinit`` as it was called before.

A subcommand's module is loaded only when it is asked for: at boot, time counts.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hostio.system.commandline import run_program

if TYPE_CHECKING:  # slow to import, and validate needs none of it
    from cloud_config.apply.world import ApplyWorld

VERBS = ("validate", "schema", "plan", "apply", "status", "diff", "sources")


def parser(verbs: Sequence[str] = VERBS) -> argparse.ArgumentParser:
    """The command line with these subcommands."""
    top = argparse.ArgumentParser(
        prog="cloud-config",
        description="Configure this machine by a #cloud-config.",
        epilog="With the options of coreos-cloudinit, such as --from-file FILE --validate, it "
        "does what that program did.",
    )
    below = top.add_subparsers(dest="verb", required=True)
    for verb in verbs:
        importlib.import_module(f"cloud_config.commands.{verb}").add(below)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0].startswith("-") and arguments[0] not in {"-h", "--help"}:
        return coreos_cloudinit(arguments)
    return run_program("cloud-config", lambda: _run(arguments))


def _run(arguments: Sequence[str]) -> int:
    asked = arguments[:1] if arguments[:1] and arguments[0] in VERBS else VERBS
    try:
        options = parser(asked).parse_args(arguments, argparse.Namespace(machine=this_machine))
    except SystemExit as end:  # of --help, whose output may fail like any other, or a usage error
        return int(end.code or 0)
    return int(options.run(options))


def coreos_cloudinit(argv: Sequence[str] | None = None) -> int:
    """The other name of this program, with the flags that it had."""
    arguments = sys.argv[1:] if argv is None else argv

    def body() -> int:
        compatible = importlib.import_module("cloud_config.commands.compatible")
        world = compatible.CompatibleWorld(apply=_apply, search=_search, fetch=_fetch)
        return int(compatible.run(arguments, world))

    return run_program("coreos-cloudinit", body)


def _apply(data: bytes, source: str) -> int:
    """Apply these user data to this machine."""
    from cloud_config.apply.apply import apply  # noqa: PLC0415 - validate needs none of it
    from cloud_config.commands.apply import order_of  # noqa: PLC0415 - as above

    machine = this_machine()
    return 1 if apply(order_of(data, source, machine), machine).errors else 0


def _search() -> int:
    """Do what the start does once the network is up."""
    from cloud_config import bootsteps  # noqa: PLC0415 - validate needs none of it
    from cloud_config.sources.choosing import Stage  # noqa: PLC0415 - as above

    bootsteps.run(Stage.NETWORK, bootsteps.local_world())
    return _run(["status"])


def _fetch(url: str) -> bytes:
    """Read a URL."""
    from cloud_config import bootsteps  # noqa: PLC0415 - validate needs none of it
    from cloud_config.sources.choosing import Source  # noqa: PLC0415 - as above
    from cloud_config.sources.reading import fetched  # noqa: PLC0415 - as above

    return fetched(bootsteps.local_world().sources, url, Source.URL).user_data or b""


def this_machine() -> ApplyWorld:
    """This machine, with real adapters, for the subcommands that look at it or change it."""
    from cloud_config.apply.machine import machine  # noqa: PLC0415 - validate needs none of it
    from hostio.system.clock import SystemClock  # noqa: PLC0415 - as above
    from hostio.system.runner import LocalRunner  # noqa: PLC0415 - as above

    return machine(LocalRunner(), SystemClock())


if __name__ == "__main__":
    sys.exit(main())
