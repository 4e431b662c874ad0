"""Build bootable images from their definitions."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from builder import definition, imagelocks, local, pipeline, progress
from builder.flash import cli as flashing
from builder.request import SMALLEST, BuildRequest
from builder.world import BuildWorld
from osmodel.faults import Fault, InvalidInput
from osmodel.platforms import ARCHITECTURES, TARGETS, Platform, Target, check
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
    _add_target(top, note="x86_64 if not given")
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
    add("--plan", action="store_true", help="print the steps and whether they are cached")
    add("--json", action="store_true", help="print the result as JSON")
    add("-v", action="store_true", dest="verbose", help="log every command")
    return top


def lock_parser() -> argparse.ArgumentParser:
    """The command line of ``build-image lock``."""
    top = argparse.ArgumentParser(
        prog=f"{PROGRAM} lock",
        description="Solve the packages of an image, or of the build tools, and write the lock.",
    )
    top.add_argument("definition", nargs="?", type=Path, help="directory below images/")
    top.add_argument("--tools", action="store_true", help="lock the build tools")
    _add_target(top, note="all that there are if not given")
    top.add_argument("-v", action="store_true", dest="verbose", help="log every command")
    return top


def _add_target(top: argparse.ArgumentParser, *, note: str) -> None:
    known = " or ".join(ARCHITECTURES)
    top.add_argument("--arch", default="", help=f"of the machines: {known}; {note}")
    known = " or ".join(Platform)
    top.add_argument("--platform", default="", help=f"how they boot: {known}")


def run(arguments: Sequence[str], world: BuildWorld) -> int:
    """Run one command in ``world`` and return the exit status."""
    words = list(arguments)
    try:
        if words[:1] == ["lock"]:
            return _lock(lock_parser().parse_args(words[1:]), world)
        return _build(parser().parse_args(words), world)
    except Fault as fault:
        sys.stderr.write(f"{PROGRAM}: {fault}\n")
        if fault.hint:
            sys.stderr.write(f"  {fault.hint}\n")
        return fault.exit_status


def _build(options: argparse.Namespace, world: BuildWorld) -> int:
    _set_logging(verbose=options.verbose)
    request = _request(options)
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
        image=definition.load(options.definition, _target(options)),
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


def _lock(options: argparse.Namespace, world: BuildWorld) -> int:
    _set_logging(verbose=options.verbose)
    wanted = [_target(options)] if options.arch or options.platform else list(TARGETS)
    if options.tools:
        names = [options.arch] if options.arch else list(imagelocks.DEBIAN_NAMES)
        architectures = [imagelocks.DEBIAN_NAMES[name] for name in names]
        locks = [(imagelocks.tools_lock(a), imagelocks.tools_request(a)) for a in architectures]
    elif options.definition is not None:
        images = [definition.load(options.definition, target) for target in wanted]
        locks = [(image.lock, imagelocks.image_request(image)) for image in images]
    else:
        raise InvalidInput("say which lock: a directory below images/, or --tools")
    for path, request in locks:
        changes = imagelocks.refresh(path, request, world)
        sys.stdout.write("".join(f"{line}\n" for line in changes))
        sys.stderr.write(f"{path}: {len(changes)} changes\n")
    return 0


def _target(options: argparse.Namespace) -> Target:
    """The target that the options name; a platform alone implies its architecture."""
    platform = options.platform or Platform.UEFI.value
    fitting = next((target for target in TARGETS if target.platform == platform), None)
    architecture = options.arch or (fitting.architecture if fitting else TARGETS[0].architecture)
    check(architecture, platform)
    return Target(architecture, Platform(platform))


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
