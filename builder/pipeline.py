"""Build an image: from a request to a finished release directory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder import hosttools, imagelocks, supply
from builder.cache import Limits
from builder.imagesteps import ImageSteps
from builder.packages.emulation import Emulation
from builder.packages.lock import Lock
from builder.packages.sandbox import ToolsTree
from builder.progress import Report
from builder.releasesteps import ReleaseSteps
from builder.request import BuildRequest
from builder.steps import Step, Steps
from builder.supply import Wanted
from builder.treesteps import TreeSteps
from builder.world import BuildWorld
from osmodel.faults import HostFailure, InvalidInput

_DAY = 86400.0
# Packages and tools are dear to get again; steps are large and cheap.
_LIMITS = {
    "steps": Limits(oldest=7 * _DAY, most=8),
    "tools": Limits(oldest=30 * _DAY, most=4),
    "debs": Limits(oldest=60 * _DAY, most=1 << 30),
    "chunks": Limits(oldest=14 * _DAY, most=1 << 30),
}


@dataclass(frozen=True, slots=True)
class Planned:
    """A step and whether it has to run."""

    name: str
    key: str
    cached: bool


def plan(request: BuildRequest, world: BuildWorld, report: Report) -> tuple[Planned, ...]:
    """What building ``request`` would do; nothing is built but the tools tree.

    Raises:
        InvalidInput: see :func:`build`.
    """
    runner = Steps(world.cache, world.clock, report)
    steps = _steps(request, world, runner, download=False)
    return tuple(Planned(step.name, step.key, runner.ready(step)) for step in steps)


def build(
    request: BuildRequest, world: BuildWorld, report: Report, *, only: str = "release"
) -> Path:
    """Build the release and return its directory.

    Args:
        request: what to build.
        world: ports.
        report: told of each step.
        only: name of the last step to run, whose result is returned.

    Raises:
        InvalidInput: the definition, its lock or an option cannot be built.
        TransientFailure: a mirror is down.
        HostFailure: a tool failed, no space left, not root.
    """
    if world.user != 0:
        raise HostFailure("building an image takes root", hint="files in it belong to many users")
    # Files of an image must not depend on who builds it; programs inherit this.
    before = os.umask(0o022)
    try:
        return _build(request, world, report, only)
    finally:
        os.umask(before)


def _build(request: BuildRequest, world: BuildWorld, report: Report, only: str) -> Path:
    runner = Steps(world.cache, world.clock, report)
    steps = _steps(request, world, runner, download=True)
    place = None
    for step in _until(steps, only):
        place = runner.run(step)
    assert place is not None, "a build has steps"
    for kind, limits in _LIMITS.items():
        world.cache.prune(kind, limits, world.clock.now().timestamp())
    return place


def _until(steps: Sequence[Step], last: str) -> Sequence[Step]:
    names = [step.name for step in steps]
    if last not in names:
        raise InvalidInput(f"--only: no step {last!r}", hint=f"steps: {', '.join(names)}")
    return steps[: names.index(last) + 1]


def _steps(
    request: BuildRequest, world: BuildWorld, runner: Steps, *, download: bool
) -> Sequence[Step]:
    wanted = imagelocks.for_image(request.image)
    lock = supply.known(wanted, world)
    tools = _tools(world, runner)
    debs = world.debs(wanted.archives)
    if download and not debs.holds(lock.everything):
        lock = _fetched(wanted, world, runner)
    files = {item: debs.path(item) for item in lock.everything}
    emulation = Emulation(tools, world.formats, world.cache.directory / "emulation")
    images = ImageSteps(TreeSteps(request, lock, files, emulation, runner))
    return ReleaseSteps(images, world.cache.directory / "chunks").all


def _fetched(wanted: Wanted, world: BuildWorld, runner: Steps) -> Lock:
    found: list[Lock] = []

    def note(done: int, total: int) -> None:
        runner.report.note(f"{done >> 20} of {total >> 20} MiB")

    def fetch() -> None:
        found.append(supply.obtained(wanted, world, runner.report.tell, note))

    runner.timed("packages", fetch)
    return found[0]


def _tools(world: BuildWorld, runner: Steps) -> ToolsTree:
    made: list[ToolsTree] = []

    def make() -> None:
        made.append(hosttools.tree(world, runner.report.tell))

    if hosttools.is_ready(world):
        make()
    else:
        runner.timed("tools", make)
    return made[0]
