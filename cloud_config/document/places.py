"""Where a document may put things: files, disks, mounts.

Everything else is part of the image, which is verified and read-only, or made
by the kernel. A path is judged by its text here; links are refused where the
file is written.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from cloud_config.document.showing import shown
from osmodel.faults import InvalidInput

TREES = ("/etc", "/var", "/home", "/root", "/run")
"""Top directories below which files may be written."""
_WORDS = f"{', '.join(TREES[:-1])} and {TREES[-1]}"
_LONGEST = 4095
# /home, /srv and /opt lie on the state partition, like everything in /var.
_WHOLE_MOUNTS = frozenset({"/home", "/srv", "/opt"})
# Covered by another disk, the machine would forget who it is or what it runs.
_NEVER_COVERED = frozenset({"/etc", "/var", "/run", "/var/lib", "/var/lib/cloud-config"})


def normal(path: str) -> str:
    """The path without ``.``, ``..`` and doubled slashes."""
    return posixpath.normpath("/" + path.lstrip("/")) if path.startswith("/") else path


def real(path: str) -> str:
    """A normal path as it is written to: /opt and /srv are links into /var on every image.

    The binaries of many a document go below /opt.
    """
    path = normal(path)
    return f"/var{path}" if path.startswith(("/opt/", "/srv/")) else path


def objection(path: str) -> str:
    """Why nothing is written to ``path``, in words; empty if it may be."""
    if _is_below(real(path), ("/usr",)):
        return "file cannot be written to a read-only filesystem"
    if not path.startswith("/"):
        return f'path "{shown(path)}" is not absolute'
    if not _is_below(real(path), TREES):
        return f'path "{shown(path)}" is not below {_WORDS}'
    return ""


def mount_objection(path: str) -> str:
    """Why no disk is mounted at ``path``, in words; empty if one may be."""
    return "" if normal(path) in _WHOLE_MOUNTS else objection(path)


def checked_path(path: str) -> str:
    """A path that may be written to, as it is.

    Raises:
        InvalidInput: relative, not in its shortest form, or outside :data:`TREES`.
    """
    _check_form(path)
    if not _is_below(path, TREES):
        raise InvalidInput(f"{path}: cannot be written; only files below {_WORDS} can")
    return path


def checked_device(path: str) -> str:
    """A device that may hold a file system, as it is.

    Raises:
        InvalidInput: not a path below /dev.
    """
    _check_form(path)
    if not _is_below(path, ("/dev",)):
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
    if not _is_below(path, (*TREES, *_WHOLE_MOUNTS)) and path not in _WHOLE_MOUNTS:
        raise InvalidInput(f"{path}: no disk can be mounted there")
    top, _, rest = path[1:].partition("/")
    found = posixpath.join(links.get(f"/{top}", f"/{top}"), rest).rstrip("/")
    if found in _NEVER_COVERED or found.startswith("/etc/"):
        raise InvalidInput(f"{path}: a disk mounted there would hide the machine's own state")
    return found


def _check_form(path: str) -> None:
    if len(path.encode(errors="replace")) > _LONGEST or not path.isprintable():
        raise InvalidInput("a path that no file should have")
    if not path.startswith("/") or posixpath.normpath(path) != path or path.startswith("//"):
        raise InvalidInput(f"{path}: not an absolute path in its shortest form")


def _is_below(path: str, trees: tuple[str, ...]) -> bool:
    """Whether a path is inside of one of the trees, not a tree itself."""
    return any(path.startswith(f"{tree}/") for tree in trees)
