"""The tools tree of this host, made when it is needed and not there."""

from __future__ import annotations

from builder import imagelocks
from builder.packages import lockfile, toolstree
from builder.packages.lock import Lock
from builder.packages.sandbox import ToolsTree
from builder.world import BuildWorld


def locked() -> Lock:
    """The lock of this host's tools.

    Raises:
        InvalidInput: it is damaged, or for another list of tools.
    """
    path, refresh = imagelocks.TOOLS_LOCK, imagelocks.TOOLS_COMMAND
    found = lockfile.load(path, refresh=refresh)
    wanted = imagelocks.tools_request(found.architecture).wanted
    lockfile.check_current(found, wanted, source=path, refresh=refresh)
    return found


def is_ready(world: BuildWorld) -> bool:
    """Whether this host has its tools tree."""
    return toolstree.is_prepared(locked(), world.cache)


def tree(world: BuildWorld) -> ToolsTree:
    """The tools tree of this host.

    Raises:
        InvalidInput: its packages are gone from the archive.
        HostFailure: it cannot be made.
    """
    return toolstree.prepared(locked(), world.debs, world.cache, world.runner)
