"""``build-image flash``: write an image onto an SD card or a disk, and read it back."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from builder import progress
from builder.flash import imagefile, preflight, writing
from builder.flash.imagefile import ImageFile
from builder.flash.world import FlashWorld
from builder.progress import Outcome
from hostio.disk.blockdev import FileBlockDevice
from hostio.disk.blockinfo import KernelDiskInventory
from hostio.system.clock import SystemClock
from osmodel.faults import Fault, InvalidInput

T = TypeVar("T")

_PROGRAM = "build-image flash"
_YES = "yes"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Write an image onto an SD card or a disk, and read it back.",
        epilog="Everything on the device is lost. A device that is in use is refused.",
    )
    top.add_argument(
        "image", type=Path, help="a directory that build-image made, or an .img or .img.zst file"
    )
    top.add_argument("device", type=Path, help="the whole device, such as /dev/sdb")
    top.add_argument("--yes", action="store_true", help="do not ask")
    return top


def run(arguments: Sequence[str], world: FlashWorld) -> int:
    """Carry out one call and return the exit status."""
    options = parser().parse_args(arguments)
    try:
        image = imagefile.find(options.image)
        medium = world.media.look(options.device)
        preflight.check(medium, image.size)
        if not options.yes and not _agreed(world, image, preflight.description(medium)):
            sys.stderr.write(f"{_PROGRAM}: nothing was written\n")
            return InvalidInput.exit_status
        _flash(world, image, options.device)
    except Fault as fault:
        sys.stderr.write(f"{_PROGRAM}: {fault}\n")
        if fault.hint:
            sys.stderr.write(f"  {fault.hint}\n")
        return fault.exit_status
    sys.stdout.write(f"{options.device}: written and read back\n")
    return 0


def _agreed(world: FlashWorld, image: ImageFile, device: str) -> bool:
    question = f"{device}\nEverything on it will be replaced by {image.path.name}. Type {_YES}: "
    answer = world.ask(question)
    if answer is None:
        raise InvalidInput("there is no terminal to ask on", hint="--yes goes ahead without asking")
    return answer.strip().lower() == _YES


def _flash(world: FlashWorld, image: ImageFile, node: Path) -> None:
    with world.open(node) as device:
        # Looked at again, with the device ours: it may be another one by now.
        if device.size < image.size:
            raise InvalidInput(f"{node} has {device.size} bytes, the image needs {image.size}")
        note = _noting(world, image)
        head, digests = _timed(world, "write", lambda: writing.write(image, device, note))
        _timed(world, "read back", lambda: writing.verify(device, head, digests, note))
        _timed(world, "finish", lambda: writing.finish(device, head))
    world.media.scan(node)


def _timed(world: FlashWorld, name: str, work: Callable[[], T]) -> T:
    started = world.clock.monotonic()
    outcome = Outcome.FAILED
    world.report.begin(name)
    try:
        result = work()
        outcome = Outcome.DONE
        return result
    finally:
        world.report.end(name, world.clock.monotonic() - started, outcome)


def _noting(world: FlashWorld, image: ImageFile) -> Callable[[int], None]:
    def note(done: int) -> None:
        share = done * 100 // max(image.length, 1)
        world.report.note(f"{done >> 20} of {image.length >> 20} MiB, {share} %")

    return note


def _ask(question: str) -> str | None:
    if not sys.stdin.isatty():
        return None
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline()


def main(arguments: Sequence[str]) -> int:
    """Entry point: builds the real adapters."""
    return run(
        arguments,
        FlashWorld(
            media=KernelDiskInventory(),
            open=FileBlockDevice,
            ask=_ask,
            clock=SystemClock(),
            report=progress.chosen(sys.stderr),
        ),
    )
