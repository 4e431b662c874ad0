"""Build bootable images from their definitions."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from builder import definition, locking
from builder.world import World
from hostio.clock import SystemClock
from hostio.httpfetch import HttpFetcher
from hostio.runner import LocalRunner
from osmodel.faults import Fault, InvalidInput


def lock_parser() -> argparse.ArgumentParser:
    """The command line of ``build-image lock``."""
    parser = argparse.ArgumentParser(
        prog="build-image lock",
        description="Solve the packages of an image, or of the build tools, and write the lock.",
    )
    parser.add_argument("definition", nargs="?", type=Path, help="directory below images/")
    parser.add_argument("--tools", action="store_true", help="lock the build tools")
    parser.add_argument("--arch", default="x86_64", help="x86_64")
    parser.add_argument("-v", action="store_true", dest="verbose", help="log every command")
    return parser


def run(arguments: Sequence[str], world: World) -> int:
    """Run one command in ``world`` and return the exit status."""
    try:
        if arguments[:1] == ["lock"]:
            return _lock(lock_parser().parse_args(arguments[1:]), world)
        raise InvalidInput("nothing to do")
    except Fault as fault:
        sys.stderr.write(f"build-image: {fault}\n")
        if fault.hint:
            sys.stderr.write(f"  {fault.hint}\n")
        return fault.exit_status


def debian_architecture(name: str) -> str:
    """Debian's name of an architecture.

    Raises:
        InvalidInput: images are not built for it.
    """
    known = locking.ARCHITECTURES
    if name not in known:
        raise InvalidInput(
            f"--arch: {name!r} is not supported", hint=f"supported: {', '.join(known)}"
        )
    return known[name]


def _lock(options: argparse.Namespace, world: World) -> int:
    _set_logging(verbose=options.verbose)
    architecture = debian_architecture(options.arch)
    if options.tools:
        path, request = locking.TOOLS_LOCK, locking.tools_request(architecture)
    elif options.definition is not None:
        image = definition.load(options.definition)
        path, request = image.lock, locking.image_request(image, architecture)
    else:
        raise InvalidInput("say which lock: a directory below images/, or --tools")
    changes = locking.refresh(path, request, world)
    sys.stdout.write("".join(f"{line}\n" for line in changes))
    sys.stderr.write(f"{path}: {len(changes)} changes\n")
    return 0


def _set_logging(*, verbose: bool) -> None:
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.WARNING, format="%(name)s %(message)s"
    )


def main() -> int:
    """Entry point: builds the real adapters."""
    clock = SystemClock()
    world = World(
        runner=LocalRunner(),
        fetcher=HttpFetcher(clock),
        clock=clock,
        environment=os.environ,
        home=Path.home(),
    )
    return run(sys.argv[1:], world)


if __name__ == "__main__":
    sys.exit(main())
