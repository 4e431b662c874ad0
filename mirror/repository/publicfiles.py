"""Files of a repository, readable by every web server whatever the umask.

A repository is public by nature; an operator's umask of 077 is about other
files. Directories get mode 0755 and files 0644, explicitly.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from hostio.files.durable import replace_file, sync_directory
from osmodel.faults import HostFailure

_DIRECTORY = 0o755
_FILE = 0o644


def make_directory(path: Path) -> None:
    """Make ``path`` and what is missing above it; others' directories keep their modes.

    Raises:
        HostFailure: the file system refused.
    """
    try:
        _make(path)
    except OSError as error:
        raise HostFailure(f"{error.filename or path}: {error.strerror}") from error


def _make(path: Path) -> None:
    try:
        path.mkdir()
    except FileNotFoundError:
        _make(path.parent)
        path.mkdir()
    except FileExistsError:
        if path.is_dir():
            return
        raise
    _set_mode(path, _DIRECTORY)


def write_file(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``; durable on return.

    Raises:
        HostFailure: the file system refused.
    """
    make_directory(path.parent)
    replace_file(path, content, mode=_FILE)


def move_into_place(finished: Path, path: Path, *, top: Path) -> None:
    """Rename a finished file; durable on return, with every directory up to ``top``.

    Raises:
        HostFailure: the file system refused.
    """
    try:
        with finished.open("rb") as file:
            os.fsync(file.fileno())
        _set_mode(finished, _FILE)
        finished.replace(path)
        for directory in path.parents:
            sync_directory(directory)
            if directory == top:
                break
    except OSError as error:
        raise HostFailure(f"{error.filename or path}: {error.strerror}") from error


def _set_mode(path: Path, mode: int) -> None:
    if stat.S_IMODE(path.stat().st_mode) != mode:
        # A file system without permissions (FAT on a USB drive) refuses, and needs none.
        with suppress(PermissionError):
            path.chmod(mode)
