"""Where a document may put things."""

from __future__ import annotations

import posixpath

from cloud_config.document.showing import shown

ALLOWED = ("/etc", "/var", "/home", "/root", "/run")
ALLOWED_WORDS = "/etc, /var, /home, /root and /run"


def normal(path: str) -> str:
    """The path without ``.``, ``..`` and doubled slashes."""
    return posixpath.normpath("/" + path.lstrip("/")) if path.startswith("/") else path


def real(path: str) -> str:
    """A normal path as it is written to: /opt and /srv are links into /var on every image.

    The binaries of many a document go below /opt.
    """
    path = normal(path)
    return f"/var{path}" if path.startswith(("/opt/", "/srv/")) else path


def below(path: str, tree: str) -> bool:
    """Whether a normal path is inside of a tree, not the tree itself."""
    return path.startswith(tree + "/")


def objection(path: str) -> str:
    """Why nothing is written to ``path``, in words; empty if it may be."""
    if below(real(path), "/usr"):
        return "file cannot be written to a read-only filesystem"
    if not path.startswith("/"):
        return f'path "{shown(path)}" is not absolute'
    if not any(below(real(path), tree) for tree in ALLOWED):
        return f'path "{shown(path)}" is not below {ALLOWED_WORDS}'
    return ""


def mount_objection(path: str) -> str:
    """Why no disk is mounted at ``path``, in words; empty if one may be.

    /home, /srv and /opt lie on the state partition, like everything in /var.
    """
    return "" if normal(path) in {"/home", "/srv", "/opt"} else objection(path)
