"""Where a document may put things."""

from __future__ import annotations

import posixpath

ALLOWED = ("/etc", "/var", "/home", "/root", "/run")
ALLOWED_WORDS = "/etc, /var, /home, /root and /run"


def normal(path: str) -> str:
    """The path without ``.``, ``..`` and doubled slashes."""
    return posixpath.normpath("/" + path.lstrip("/")) if path.startswith("/") else path


def below(path: str, tree: str) -> bool:
    """Whether a normal path is inside of a tree, not the tree itself."""
    return path.startswith(tree + "/")


def objection(path: str) -> str:
    """Why nothing is written to ``path``, in words; empty if it may be."""
    if below(normal(path), "/usr"):
        return "file cannot be written to a read-only filesystem"
    if not path.startswith("/"):
        return f'path "{path}" is not absolute'
    if not any(below(normal(path), tree) for tree in ALLOWED):
        return f'path "{path}" is not below {ALLOWED_WORDS}'
    return ""


def mount_objection(path: str) -> str:
    """Why no disk is mounted at ``path``, in words; empty if one may be.

    /home, /srv and /opt lie on the state partition, like everything in /var.
    """
    where = normal(path)
    on_state = ("/home", "/srv", "/opt")
    if where in on_state or any(below(where, tree) for tree in on_state):
        return ""
    return objection(path)
