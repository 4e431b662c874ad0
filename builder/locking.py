"""``build-image lock``: make package locks anew, or say whether one should."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from builder import definition, imagelocks
from builder.supply import Wanted
from builder.targets import add_target, target_of
from builder.world import BuildWorld
from osmodel.faults import InvalidInput
from osmodel.platforms import TARGETS, check

OUTDATED = 1
"""Exit status of ``--check`` when a lock should be made anew."""


def parser(program: str) -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog=f"{program} lock",
        description="Solve the packages of an image, or of the build tools, and write the lock.",
        epilog=f"With --check the exit status is {OUTDATED} if something is gone or insecure.",
    )
    top.add_argument("definition", nargs="?", type=Path, help="directory below images/")
    top.add_argument("--tools", action="store_true", help="lock the build tools")
    top.add_argument(
        "--check",
        action="store_true",
        help="write nothing; print packages that are gone or have security updates",
    )
    add_target(top, note="all that there are if not given")
    top.add_argument("-v", action="store_true", dest="verbose", help="log every command")
    return top


def run(options: argparse.Namespace, world: BuildWorld) -> int:
    """Carry out one call and return the exit status.

    Raises:
        InvalidInput: no such definition, target or package.
        HostFailure: the archive cannot be read, or its signature is bad.
    """
    locks = _locks(options)
    if options.check:
        return _check(locks, world)
    for wanted in locks:
        changes = imagelocks.refresh(wanted, world)
        sys.stdout.write("".join(f"{line}\n" for line in changes))
        sys.stderr.write(f"{wanted.lock}: {len(changes)} changes\n")
    return 0


def _check(locks: Iterable[Wanted], world: BuildWorld) -> int:
    status = 0
    for wanted in locks:
        for line in imagelocks.report(wanted, world):
            sys.stdout.write(f"{line}\n")
            status = OUTDATED
    return status


def _locks(options: argparse.Namespace) -> Sequence[Wanted]:
    if options.tools:
        if options.arch:
            check(options.arch, "uefi")
        names = [options.arch] if options.arch else list(imagelocks.DEBIAN_NAMES)
        return [imagelocks.for_tools(imagelocks.DEBIAN_NAMES[name]) for name in names]
    if options.definition is None:
        raise InvalidInput("say which lock: a directory below images/, or --tools")
    targets = [target_of(options)] if options.arch or options.platform else list(TARGETS)
    images = [definition.load(options.definition, target) for target in targets]
    return [imagelocks.for_image(image) for image in images]
