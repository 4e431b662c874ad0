"""Remove files and directory trees that a build made.

A module of its own: every step uses it, so nothing else may share its digest
(see ``builder.sourcecode``).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from osmodel.faults import HostFailure


def remove_tree(path: Path) -> None:
    """Remove a directory tree or a file, if it is there.

    Raises:
        HostFailure: it cannot be removed.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}") from error
