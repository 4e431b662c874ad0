"""Where files may be written and disks mounted.

Everything else is part of the image, which is verified and read-only, or made
by the kernel. A path is judged by its text here; links are refused where the
file is written.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from osmodel.faults import InvalidInput

TREES = ("/etc", "/var", "/home", "/root", "/run")
"""Top directories below which files may be written."""
_LONGEST = 4095
# Covered by another disk, the machine would forget who it is or what it runs.
_NEVER_COVERED = frozenset({"/etc", "/var", "/run", "/var/lib", "/var/lib/cloud-config"})
_MOUNTED_BELOW = (*TREES, "/srv", "/opt")


def checked_path(path: str) -> str:
    """A path that may be written to, as it is.

    Raises:
        InvalidInput: relative, not in its shortest form, or outside :data:`TREES`.
    """
    _check_form(path)
    if not _is_below(path, TREES):
        raise InvalidInput(
            f"{path}: cannot be written; only files below {', '.join(TREES)} can",
        )
    return path


def checked_device(path: str) -> str:
    """A device that may hold a file system, as it is.

    Raises:
        InvalidInput: not a path below /dev.
    """
    _check_form(path)
    if not path.startswith("/dev/"):
        raise InvalidInput(f"{path}: not below /dev")
    return path


def mount_point(path: str, links: Mapping[str, str]) -> str:
    """The real path of a mount point.

    Args:
        path: as the document has it.
        links: top-level directories that lead elsewhere.

    Raises:
        InvalidInput: not a place for a data disk.
    """
    _check_form(path)
    # Not /root: a new file system's top directory is open to everyone.
    if not _is_below(path, _MOUNTED_BELOW) and path not in {"/home", "/srv", "/opt"}:
        raise InvalidInput(f"{path}: no disk can be mounted there")
    top, _, rest = path[1:].partition("/")
    real = posixpath.join(links.get(f"/{top}", f"/{top}"), rest).rstrip("/")
    if real in _NEVER_COVERED or real.startswith("/etc/"):
        raise InvalidInput(f"{path}: a disk mounted there would hide the machine's own state")
    return real


def _check_form(path: str) -> None:
    if len(path.encode(errors="replace")) > _LONGEST or not path.isprintable():
        raise InvalidInput("a path that no file should have")
    if not path.startswith("/") or posixpath.normpath(path) != path or path.startswith("//"):
        raise InvalidInput(f"{path}: not an absolute path in its shortest form")


def _is_below(path: str, trees: tuple[str, ...]) -> bool:
    return any(path.startswith(f"{tree}/") for tree in trees)
