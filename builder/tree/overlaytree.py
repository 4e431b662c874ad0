"""Lay an overlay tree over a root tree.

A checkout keeps no owner and no permission but "executable", and a user's umask
changes the rest, so all come out alike: owned by root, 0755 or 0644. What needs
another owner or mode gets it from systemd-tmpfiles at boot.
"""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

from builder.removal import remove_tree
from osmodel.faults import InvalidInput

# Anywhere else a file would be lost at run time, or break the tree.
_PLACES = {"etc", "usr", "var"}


def merge(overlay: Path, root: Path) -> None:
    """Copy every file of ``overlay`` to the same place below ``root``.

    Files and links replace what is there; a directory joins a directory.

    Raises:
        InvalidInput: a file lies where an image has none, or is neither a
            file, a directory nor a link, or would replace a directory.
    """
    for path in sorted(overlay.iterdir()):
        if path.name not in _PLACES or not path.is_dir():
            raise InvalidInput(
                f"{path}: an image has nothing in /{path.name}",
                hint="use usr/, etc/ or, for state made at first boot, var/",
            )
    copy_tree(overlay, root)


def copy_tree(source: Path, target: Path) -> None:
    """Copy what is in ``source`` into ``target``, as :func:`merge` does, anywhere."""
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if "__pycache__" not in relative.parts:
            _place(path, target / relative)


def _place(path: Path, target: Path) -> None:
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode):
        if not target.is_dir():
            target.mkdir()
            target.chmod(0o755)
        return
    if target.is_dir() and not target.is_symlink():
        raise InvalidInput(f"{path}: would replace a directory")
    remove_tree(target)
    if stat.S_ISLNK(mode):
        target.symlink_to(path.readlink())
    elif stat.S_ISREG(mode):
        shutil.copyfile(path, target)
        target.chmod(0o755 if mode & stat.S_IXUSR else 0o644)
    else:
        raise InvalidInput(f"{path}: not a file, directory or link")
