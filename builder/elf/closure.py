"""Does everything that runs find its libraries inside the tree?

Packages are taken apart after they were installed, so the package manager's
word that all is there no longer counts. A missing library shows on a machine
as a service that does not start, perhaps months later; here it fails the build.

The search follows ld.so(8): RUNPATH, then the configured directories, then the
usual ones. ``LD_LIBRARY_PATH`` is not considered: nothing here sets it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.elf.scan import Elf
from builder.imagetoml import MissingLibrary
from osmodel.faults import InvalidInput

# pyelftools' name of the machine, and where its libraries lie.
MACHINES = {"x86_64": "x64", "arm64": "AArch64"}
TRIPLETS = {"x86_64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
_SHOWN = 10  # faults named in one message
_MOST_LINKS = 40  # as the kernel follows

Exists = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Closure:
    """What was found.

    Attributes:
        files: number of ELF files.
        libraries: names of libraries that something needs.
        unused: libraries that nothing names, by path; some may be opened by
            a name that stands in no header.
        optional_missing: libraries that programs can do without and must.
        allowed: missing libraries that the definition excuses.
    """

    files: int
    libraries: int
    unused: tuple[str, ...]
    optional_missing: tuple[str, ...]
    allowed: tuple[str, ...]


def check(
    found: Mapping[str, Elf],
    exists: Exists,
    architecture: str,
    directories: Sequence[str],
    allow: Iterable[MissingLibrary] = (),
) -> Closure:
    """Follow every reference.

    Args:
        found: ELF files by path below the root.
        exists: whether an absolute path leads to a file inside the root.
        architecture: ``x86_64`` or ``arm64``.
        directories: where libraries are looked for, absolute, in order.
        allow: what may be missing.

    Raises:
        InvalidInput: a library or an interpreter is missing, a file is for
            another machine, or an exception excuses nothing.
    """
    excuses = {(entry.file.lstrip("/"), entry.library) for entry in allow}
    wrong = [
        f"/{name}: for {elf.machine}, not {MACHINES[architecture]}"
        for name, elf in sorted(found.items())
        if elf.machine != MACHINES[architecture]
    ]
    missing = list(_missing(found, exists, directories))
    left = [pair for pair in missing if pair not in excuses]
    wrong += [f"/{name}: needs {library}, which is not there" for name, library in left]
    stale = sorted(excuses - set(missing))
    wrong += [f"/{name}: {library} is allowed to be missing, but is not" for name, library in stale]
    if wrong:
        more = f" (and {len(wrong) - _SHOWN} more)" if len(wrong) > _SHOWN else ""
        raise InvalidInput(
            "; ".join(wrong[:_SHOWN]) + more,
            hint="include the package, take it out of packages.remove, or add [[closure.allow]]",
        )
    return _summary(found, exists, directories, missing)


def _missing(
    found: Mapping[str, Elf], exists: Exists, directories: Sequence[str]
) -> Iterable[tuple[str, str]]:
    for name, elf in sorted(found.items()):
        if elf.interpreter and not exists(elf.interpreter):
            yield name, elf.interpreter
        for library in elf.needed:
            if not any(exists(path) for path in _places(name, elf, library, directories)):
                yield name, library


def _places(name: str, elf: Elf, library: str, directories: Sequence[str]) -> list[str]:
    if "/" in library:
        return [library]
    origin = f"/{posixpath.dirname(name)}"
    own = [path.replace("${ORIGIN}", origin).replace("$ORIGIN", origin) for path in elf.runpath]
    return [posixpath.normpath(f"{path}/{library}") for path in (*own, *directories)]


def _summary(
    found: Mapping[str, Elf],
    exists: Exists,
    directories: Sequence[str],
    missing: Sequence[tuple[str, str]],
) -> Closure:
    needed = {library for elf in found.values() for library in elf.needed}
    optional = {library for elf in found.values() for library in elf.optional}
    shelves = {path.lstrip("/") for path in directories}
    unused = [
        f"/{name}"
        for name, elf in sorted(found.items())
        if elf.soname
        and posixpath.dirname(name) in shelves
        and elf.soname not in needed | optional
        and not elf.program
    ]
    absent = sorted(
        name for name in optional if not any(exists(f"{path}/{name}") for path in directories)
    )
    return Closure(
        files=len(found),
        libraries=len(needed),
        unused=tuple(unused),
        optional_missing=tuple(absent),
        allowed=tuple(f"/{name}: {library}" for name, library in missing),
    )


def library_directories(root: Path, architecture: str) -> tuple[str, ...]:
    """Where the dynamic loader of a tree looks, in its order."""
    configured = [
        line.strip()
        for path in sorted((root / "etc/ld.so.conf.d").glob("*.conf"))
        for line in path.read_text().splitlines()
        if line.startswith("/")
    ]
    triplet = TRIPLETS[architecture]
    usual = [f"/usr/lib/{triplet}", f"/lib/{triplet}", "/usr/lib64", "/lib64", "/usr/lib", "/lib"]
    return tuple(dict.fromkeys([*configured, *usual]))


def existence(root: Path) -> Exists:
    """A test for absolute paths that never leaves ``root``.

    A link to an absolute path means a path inside the tree, not on this host.
    """
    known: dict[str, bool] = {}

    def exists(path: str) -> bool:
        if path not in known:
            known[path] = _leads_to_file(root, path)
        return known[path]

    return exists


def _leads_to_file(root: Path, path: str) -> bool:
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
            return False
        target = str(here.readlink())
        if target.startswith("/"):
            done = []
        todo = [*target.split("/"), *todo]
    return root.joinpath(*done).is_file()
