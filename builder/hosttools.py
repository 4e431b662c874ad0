"""The tools tree of this host, made when it is needed and not there."""

from __future__ import annotations

import logging

from builder import imagelocks, supply
from builder.packages import toolstree
from builder.packages.sandbox import ToolsTree
from builder.supply import Tell
from builder.world import BuildWorld

_log = logging.getLogger(__name__)


def is_ready(world: BuildWorld) -> bool:
    """Whether this host has its tools tree."""
    wanted = imagelocks.for_tools()
    locks = (wanted.committed(), supply.known(wanted, world))
    return any(toolstree.is_prepared(lock, world.cache) for lock in locks)


def tree(world: BuildWorld, tell: Tell = _log.warning) -> ToolsTree:
    """The tools tree of this host.

    Args:
        world: ports.
        tell: told which packages differ from those of the committed lock.

    Raises:
        InvalidInput: its packages are gone from the archive.
        HostFailure: it cannot be made.
    """
    wanted = imagelocks.for_tools()
    # A tree that was made is used as it is, whatever became of its packages.
    for lock in (wanted.committed(), supply.known(wanted, world)):
        if toolstree.is_prepared(lock, world.cache):
            return toolstree.found(lock, world.cache, world.runner)
    lock = supply.obtained(wanted, world, tell)
    debs = world.debs(wanted.archives)
    files = {item: debs.path(item) for item in lock.packages}
    return toolstree.made(lock, files, world.cache, world.runner)
