"""Give files of a root tree the owner, mode and attributes that a definition says.

A checkout keeps none of them, so they stand in ``image.toml``, where every
signer's build finds them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from builder.imagetoml import FileEntry
from builder.tree import overlaytree
from osmodel import filecapabilities
from osmodel.faults import InvalidInput


def settled(entries: Sequence[FileEntry]) -> dict[str, tuple[str, ...]]:
    """What the entries say, as :class:`overlaytree.Overlay` wants it."""
    said = {
        entry.path: (
            *([overlaytree.MODE] if entry.mode else []),
            *([overlaytree.ATTRIBUTES] if entry.capabilities or entry.xattrs else []),
        )
        for entry in entries
    }
    return {path: words for path, words in said.items() if words}


def apply(root: Path, entries: Sequence[FileEntry]) -> None:
    """Change what the entries name; a later one about the same file wins.

    Args:
        root: with all its files and accounts.
        entries: of the definition, the inherited first.

    Raises:
        InvalidInput: no such file, user or group.
    """
    for entry in entries:
        path = _place(root, entry)
        status = path.lstat()
        user = _number(root, "passwd", entry.owner, entry) if entry.owner else status.st_uid
        group = _number(root, "group", entry.group, entry) if entry.group else status.st_gid
        mode = int(entry.mode, 8) if entry.mode else stat.S_IMODE(status.st_mode)
        # Before the mode: a change of the owner clears bits and capabilities.
        os.chown(path, user, group)
        path.chmod(mode)
        if entry.capabilities:
            os.setxattr(path, filecapabilities.XATTR, filecapabilities.encode(entry.capabilities))
        for name, value in entry.xattrs.items():
            os.setxattr(path, name, value.encode())


def _place(root: Path, entry: FileEntry) -> Path:
    path = root / entry.path.lstrip("/")
    if path.parent.resolve() != path.parent:
        raise InvalidInput(f"files: {entry.path}: leads through a link")
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        raise InvalidInput(f"files: {entry.path}: {error.strerror}") from error
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise InvalidInput(f"files: {entry.path}: not a file or directory")
    return path


def _number(root: Path, table: str, name: str, entry: FileEntry) -> int:
    if name.isdigit():
        return int(name)
    for line in (root / "etc" / table).read_text().splitlines():
        known, _, number, *_ = line.split(":")
        if known == name:
            return int(number)
    raise InvalidInput(
        f"files: {entry.path}: no {name!r} in the image's /etc/{table}",
        hint="accounts of the image stand in [ids] or have a fixed number in sysusers.d",
    )
