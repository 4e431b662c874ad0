"""The tools tree of this host, for tests that run its programs."""

import os
from functools import cache
from pathlib import Path

from builder import imagelocks
from builder.packages import lock, toolstree
from builder.world import World
from hostio.net.httpfetch import HttpFetcher
from hostio.system.binfmt import KernelFormats
from hostio.system.clock import SystemClock
from hostio.system.runner import LocalRunner
from hostio.system.syscalls import KernelMounts


@cache
def tools_tree() -> toolstree.ToolsTree:
    """The tree of the committed lock, made if this host does not have it."""
    runner, clock, formats = LocalRunner(), SystemClock(), KernelFormats(KernelMounts())
    world = World(runner, HttpFetcher(clock), clock, formats, os.environ, Path.home())
    tools_lock = lock.load(imagelocks.TOOLS_LOCK, refresh=imagelocks.TOOLS_COMMAND)
    return toolstree.prepared(tools_lock, world.debs, world.cache, runner)
