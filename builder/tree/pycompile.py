"""Byte-compile every Python module of a root tree, the same way every time.

The root is read-only, so what is not compiled here is compiled at each start
on every machine. Caches are of the unchecked-hash kind: they hold no time
stamp, and Python does not look at the source. They are made by the tools
tree's Python, which is of the same version as the image's.
"""

from __future__ import annotations

from pathlib import Path

from builder.removal import remove_tree
from hostio.system.runner import Command, Runner

PLACES = ("usr/lib/python3", "usr/lib/python3.13", "usr/lib/twinkeel/python")
# Interned objects are written in the order in which hashing meets them.
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}


def compile_tree(root: Path, tools: Runner) -> None:
    """Replace all byte code below ``root``.

    Args:
        root: changed in place.
        tools: runs Python; sees ``root``.

    Raises:
        HostFailure: a module does not compile.
    """
    places = [root / place for place in PLACES if (root / place).is_dir()]
    for place in places:
        for path in sorted(place.rglob("__pycache__")):
            remove_tree(path)
    argv = ["python3", "-I", "-m", "compileall", "-q", "-j", "0", "--invalidation-mode"]
    argv += ["unchecked-hash", "-s", str(root), "-p", "/", *map(str, places)]
    tools.run(Command(argv, env=_ENVIRONMENT))
