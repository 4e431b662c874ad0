"""The files that must be beside some programs of a root tree for them to start.

Libraries that a program opens by name at run time do not show in its headers
and must be asked for.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from pathlib import Path

from builder.elf import scan, search
from osmodel.faults import InvalidInput


def files(root: Path, programs: Iterable[str], architecture: str) -> dict[str, Path]:
    """Programs, their interpreter, and all libraries they need.

    Only the usual directories are searched: the loader must find its files in a
    place that has no configuration.

    Args:
        root: tree to look in.
        programs: paths below the root, without leading slash.
        architecture: ``x86_64`` or ``arm64``.

    Returns:
        The file in the tree for each path at which the loader will find it, with
        links on the way to its directory followed.

    Raises:
        InvalidInput: a library is not in the tree; names it and who needs it.
    """
    directories = search.usual_directories(architecture)
    found: dict[str, Path] = {}
    todo = [(name, f"/{name}", "") for name in programs]
    while todo:
        wanted, place, user = todo.pop()
        target = search.follow(root, place)
        if target is None or not target.is_file():
            told = f"/{user} needs {wanted}, which" if user else place
            raise InvalidInput(f"{told} is not in the tree")
        name = _settled(root, place)
        if name in found:
            continue
        found[name] = target
        elf = scan.read(target)
        if elf.interpreter:
            todo.append((elf.interpreter, elf.interpreter, name))
        for library in elf.needed:
            places = search.places(name, elf, library, directories)
            present = (path for path in places if search.follow(root, path) is not None)
            todo.append((library, next(present, places[-1]), name))
    return found


def _settled(root: Path, place: str) -> str:
    """``place`` below the root, without links on the way to its directory."""
    directory, name = posixpath.split(place)
    real = search.follow(root, directory)
    assert real is not None, "a file that was found lies in a directory"
    return posixpath.join(*real.relative_to(root).parts, name)
