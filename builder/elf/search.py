"""Where the dynamic loader of a root tree looks for what a program needs.

The search follows ld.so(8): RUNPATH, then the configured directories, then the
usual ones. ``LD_LIBRARY_PATH`` is not considered: nothing here sets it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path

from builder.elf.scan import Elf

# pyelftools' name of the machine, and where its libraries lie.
MACHINES = {"x86_64": "x64", "arm64": "AArch64"}
TRIPLETS = {"x86_64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
_MOST_LINKS = 40  # as the kernel follows


def usual_directories(architecture: str) -> tuple[str, ...]:
    """Where the loader looks without any configuration, in its order; absolute."""
    triplet = TRIPLETS[architecture]
    return (
        *(f"/usr/lib/{triplet}", f"/lib/{triplet}"),
        *("/usr/lib64", "/lib64", "/usr/lib", "/lib"),
    )


def library_directories(root: Path, architecture: str) -> tuple[str, ...]:
    """Where the dynamic loader of a tree looks, in its order; absolute."""
    configured = [
        line.strip()
        for path in sorted((root / "etc/ld.so.conf.d").glob("*.conf"))
        for line in path.read_text().splitlines()
        if line.startswith("/")
    ]
    return tuple(dict.fromkeys([*configured, *usual_directories(architecture)]))


def places(name: str, elf: Elf, library: str, directories: Sequence[str]) -> list[str]:
    """Absolute paths at which the loader looks for a library, in its order.

    Args:
        name: path of the file that needs it, below the root.
        elf: what that file says.
        library: as the file names it.
        directories: configured and usual ones.
    """
    if "/" in library:
        return [library]
    origin = f"/{posixpath.dirname(name)}"
    own = [path.replace("${ORIGIN}", origin).replace("$ORIGIN", origin) for path in elf.runpath]
    return [posixpath.normpath(f"{path}/{library}") for path in (*own, *directories)]


def follow(root: Path, path: str) -> Path | None:
    """Where an absolute path of the tree leads; ``None`` if to nothing inside ``root``.

    A link to an absolute path means a path inside the tree, not on this host.
    """
    done: list[str] = []
    todo = path.split("/")
    links = 0
    while todo:
        part = todo.pop(0)
        if part in {"", "."}:
            continue
        if part == "..":
            done = done[:-1]
            continue
        here = root.joinpath(*done, part)
        if not here.is_symlink():
            done.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            return None
        target = str(here.readlink())
        if target.startswith("/"):
            done = []
        todo = [*target.split("/"), *todo]
    found = root.joinpath(*done)
    return found if found.exists() else None
