"""Build an image: from a request to a finished release directory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder import imagelocks
from builder.cache import Limits
from builder.imagesteps import ImageSteps
from builder.packages import lock, toolstree
from builder.packages.emulation import Emulation
from builder.packages.toolstree import ToolsTree
from builder.progress import Outcome, Report
from builder.releasedir import ReleaseDirectory
from builder.request import BuildRequest
from builder.steps import Step, Steps
from builder.treesteps import TreeSteps
from builder.world import World
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


def plan(request: BuildRequest, world: World, report: Report) -> tuple[Planned, ...]:
    """What building ``request`` would do; nothing is built but the tools tree.

    Raises:
        InvalidInput: see :func:`build`.
    """
    steps = _steps(request, world, report, download=False)
    runs = [Planned(s.name, s.key, steps.trees.steps.ready(s)) for s in steps.all]
    release = _release(steps, world)
    return (*runs, Planned("release", release.key, release.is_current()))


def build(request: BuildRequest, world: World, report: Report, *, only: str = "") -> Path:
    """Build the release and return its directory.

    Args:
        request: what to build.
        world: ports.
        report: told of each step.
        only: name of the last step to run; then its result is returned.

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


def _build(request: BuildRequest, world: World, report: Report, only: str) -> Path:
    steps = _steps(request, world, report, download=True)
    _check_name(steps.all, only)
    for step in steps.all:
        place = steps.trees.steps.run(step)
        if step.name == only:
            return place
    release = _release(steps, world)
    if release.is_current():
        report.begin("release")
        report.end("release", 0.0, Outcome.CACHED)
    else:
        release.make()
    for kind, limits in _LIMITS.items():
        world.cache.prune(kind, limits, world.clock.now().timestamp())
    return release.path


def _check_name(steps: Sequence[Step], last: str) -> None:
    names = [step.name for step in steps]
    if last and last not in names:
        raise InvalidInput(f"--only: no step {last!r}", hint=f"steps: {', '.join(names)}")


def _steps(request: BuildRequest, world: World, report: Report, *, download: bool) -> ImageSteps:
    image = request.image
    refresh = imagelocks.image_command(image)
    locked = lock.load(image.lock, refresh=refresh)
    wanted = imagelocks.image_request(image)
    lock.check_current(
        locked, wanted.wanted, source=image.lock, refresh=refresh, sections=wanted.sections
    )
    runner = Steps(world.cache, world.clock, report)
    tools = _tools(world, runner)
    debs = world.debs
    files = {item: debs.path(item) for item in locked.everything}
    if download and not all(path.is_file() for path in files.values()):

        def tell(done: int, total: int) -> None:
            report.note(f"{done >> 20} of {total >> 20} MiB")

        runner.timed("packages", lambda: debs.fetch(locked.everything, tell))
    emulation = Emulation(tools, world.formats, world.cache.directory / "emulation")
    return ImageSteps(TreeSteps(request, locked, files, emulation, runner))


def _tools(world: World, runner: Steps) -> ToolsTree:
    locked = lock.load(imagelocks.TOOLS_LOCK, refresh=imagelocks.TOOLS_COMMAND)
    wanted = imagelocks.tools_request(locked.architecture).wanted
    lock.check_current(
        locked, wanted, source=imagelocks.TOOLS_LOCK, refresh=imagelocks.TOOLS_COMMAND
    )
    made: list[ToolsTree] = []

    def make() -> None:
        made.append(toolstree.prepared(locked, world.debs, world.cache, world.runner))

    if toolstree.is_prepared(locked, world.cache):
        make()
    else:
        runner.timed("tools", make)
    return made[0]


def _release(steps: ImageSteps, world: World) -> ReleaseDirectory:
    return ReleaseDirectory(steps, steps.trees.steps, world.cache.directory / "chunks")
