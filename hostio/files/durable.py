"""Replace small files so that a power cut leaves the old or the new one, whole."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from osmodel.faults import HostFailure


def replace_file(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write ``content`` to ``path``; durable on return.

    Written beside the target, flushed, renamed, and the directory flushed, in
    that order: a reader sees the old bytes or all of the new ones. The mode is
    exactly ``mode``: the umask is for programs that do not say what they want.

    Raises:
        HostFailure: the file system refused (full, read-only, I/O error).
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            # A file system without modes (FAT) refuses, and needs none.
            with contextlib.suppress(PermissionError):
                os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}") from error


def sync_directory(path: Path) -> None:
    """Flush the names in a directory: a rename is durable only after this."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
