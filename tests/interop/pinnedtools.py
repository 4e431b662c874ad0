"""The programs of the pinned tools tree, for tests that use what a build uses."""

from functools import cache

from builder import hosttools, local
from builder.packages.sandbox import ToolsTree


@cache
def tools_tree() -> ToolsTree:
    """The tools tree, made now if this host does not have it."""
    return hosttools.tree(local.build_world())
