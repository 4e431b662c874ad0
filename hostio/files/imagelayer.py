"""What the image itself has below /etc, under the changes of this machine.

/etc is an overlay whose lower layer, the root's own /etc, lies hidden below
the mount. A clone of the root mount alone (``open_tree`` without the mounts
inside it) shows it, and nothing has to be mounted anywhere.

Source: open_tree(2) of Linux 5.2.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hostio.files.guardedtree import GuardedTree, ReadableTree
from osmodel.faults import HostFailure

_OPEN_TREE = 428  # the same number on every architecture
_CLONE = 1
_AT_FDCWD = -100


@contextmanager
def image_layer(root: Path = Path("/")) -> Iterator[ReadableTree]:
    """The root file system without what is mounted on it.

    Raises:
        HostFailure: the kernel refused; it takes root.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    clone = ctypes.c_uint(_CLONE | os.O_CLOEXEC)
    found = libc.syscall(ctypes.c_long(_OPEN_TREE), _AT_FDCWD, os.fsencode(root), clone)
    if found < 0:
        reason = os.strerror(ctypes.get_errno())
        raise HostFailure(f"look below the mounts of {root}: {reason}", hint="try as root")
    try:
        yield GuardedTree(Path(f"/proc/self/fd/{found}"))
    finally:
        os.close(found)
