"""Build bootable images from their definitions."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from builder import definition, local, locking, pipeline, progress
from builder.flash import cli as flashing
from builder.request import SMALLEST, BuildRequest
from builder.targets import add_target, target_of
from builder.world import BuildWorld
from osmodel.faults import Fault
from osmodel.version import Version

PROGRAM = "build-image"


def parser() -> argparse.ArgumentParser:
    """The command line of ``build-image DEFINITION``."""
    top = argparse.ArgumentParser(
        prog=PROGRAM,
        description=__doc__,
        epilog=f"`{PROGRAM} lock` makes or refreshes the package lock of an image; "
        f"`{PROGRAM} flash` writes an image onto an SD card or a disk.",
    )
    add = top.add_argument
    add("definition", type=Path, help="directory of the definition, below images/")
    add_target(top, note="x86_64 if not given")
    add("--version", default="1.0.0", help="of the release, 1.0.0 if not given")
    add("--out", type=Path, default=Path("out"), help="receives NAME-TARGET-VERSION/")
    add("--trust-root", type=Path, help="the update repository's root of trust")
    add("--update-url", default="", help="of the update repository")
    add("--overlay", type=Path, action="append", default=[], help="tree to lay over the root")
    add("--kernel-arg", action="append", default=[], help="argument for the kernel")
    add("--only", default="release", metavar="STEP", help="stop after a step and print its result")
    add("--no-payload", action="store_true", help="leave out the update payload, the slowest part")
    add(
        "--payload-level",
        type=int,
        default=SMALLEST,
        help=f"compression of the payload, from 1 (fast) to {SMALLEST} (small, the default)",
    )
    add(
        "--newer",
        action="store_true",
        help="take newer packages for those that are gone; their lock goes to OUT/locks",
    )
    add("--plan", action="store_true", help="print the steps and whether they are cached")
    add("--json", action="store_true", help="print the result as JSON")
    add("-v", action="store_true", dest="verbose", help="log every command")
    return top


def run(arguments: Sequence[str], world: BuildWorld) -> int:
    """Run one command in ``world`` and return the exit status."""
    words = list(arguments)
    try:
        if words[:1] == ["lock"]:
            return _lock(locking.parser(PROGRAM).parse_args(words[1:]), world)
        return _build(parser().parse_args(words), world)
    except Fault as fault:
        sys.stderr.write(f"{PROGRAM}: {fault}\n")
        if fault.hint:
            sys.stderr.write(f"  {fault.hint}\n")
        return fault.exit_status


def _lock(options: argparse.Namespace, world: BuildWorld) -> int:
    _set_logging(verbose=options.verbose)
    return locking.run(options, world)


def _build(options: argparse.Namespace, world: BuildWorld) -> int:
    _set_logging(verbose=options.verbose)
    request = _request(options)
    if options.newer and world.newer_locks is None:
        world = world.allowing_newer(options.out / "locks")
    report = progress.chosen(sys.stderr)
    if options.plan:
        return _plan(pipeline.plan(request, world, report), as_json=options.json)
    place = pipeline.build(request, world, report, only=options.only)
    if options.json:
        manifest = place / "manifest.json"
        facts = json.loads(manifest.read_text()) if manifest.is_file() else {}
        wanted = {key: facts[key] for key in ("release", "files") if key in facts}
        sys.stdout.write(json.dumps({"directory": str(place), **wanted}) + "\n")
    else:
        sys.stdout.write(f"{place}\n")
    return 0


def _request(options: argparse.Namespace) -> BuildRequest:
    return BuildRequest(
        image=definition.load(options.definition, target_of(options)),
        version=Version.parse(options.version),
        out=options.out,
        trust_root=options.trust_root,
        update_url=options.update_url,
        overlays=tuple(options.overlay),
        arguments=tuple(options.kernel_arg),
        with_payload=not options.no_payload,
        payload_level=options.payload_level,
    )


def _plan(steps: Sequence[pipeline.Planned], *, as_json: bool) -> int:
    if as_json:
        rows = [{"step": step.name, "key": step.key, "cached": step.cached} for step in steps]
        sys.stdout.write(json.dumps(rows) + "\n")
    else:
        for step in steps:
            state = "cached" if step.cached else "to do"
            sys.stdout.write(f"{step.name:<12} {state:<7} {step.key}\n")
    return 0


def _set_logging(*, verbose: bool) -> None:
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.WARNING, format="%(name)s %(message)s"
    )


def main() -> int:
    """Entry point: builds the real adapters."""
    if sys.argv[1:2] == ["flash"]:
        return flashing.main(sys.argv[2:])
    return run(sys.argv[1:], local.build_world())


if __name__ == "__main__":
    sys.exit(main())
