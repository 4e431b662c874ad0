"""Does everything that runs find its libraries inside the tree?

Packages are taken apart after they were installed, so the package manager's
word that all is there no longer counts. A missing library shows on a machine
as a service that does not start, perhaps months later; here it fails the build.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from builder.elf import hardening, scan, search
from builder.elf.scan import Elf
from builder.imagetoml import MissingLibrary
from osmodel.faults import InvalidInput

FILE = "closure.json"
_SHOWN = 10  # faults named in one message

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


def make(  # noqa: PLR0913 - the inputs of one step
    *,
    root: Path,
    scanned: Path,
    laid: Sequence[Path],
    architecture: str,
    allow: Iterable[MissingLibrary],
    out: Path,
) -> None:
    """Check a root tree and keep the report in ``out``.

    Args:
        root: finished root tree.
        scanned: scan of the tree that it was made from.
        laid: overlays that were laid over that one; their files are read again.
        architecture: ``x86_64`` or ``arm64``.
        allow: what may be missing.
        out: receives the report.

    Raises:
        InvalidInput: see :func:`check`.
    """
    before = scan.from_json(scanned.read_text())
    names = {name for tree in laid for name in _names(tree)}
    kept = {name: elf for name, elf in before.items() if name not in names}
    found = {**kept, **scan.scan(root, sorted(names))}
    directories = search.library_directories(root, architecture)
    result = check(found, existence(root), architecture, directories, allow)
    report = {**asdict(result), "hardening": asdict(hardening.summary(found))}
    (out / FILE).write_text(json.dumps(report, sort_keys=True))


def _names(tree: Path) -> Iterable[str]:
    return (posixpath.join(*path.relative_to(tree).parts) for path in tree.rglob("*"))


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
        f"/{name}: for {elf.machine}, not {search.MACHINES[architecture]}"
        for name, elf in sorted(found.items())
        if elf.machine != search.MACHINES[architecture]
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
            if not any(exists(path) for path in search.places(name, elf, library, directories)):
                yield name, library


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


def existence(root: Path) -> Exists:
    """A test for absolute paths that never leaves ``root``.

    A link to an absolute path means a path inside the tree, not on this host.
    """
    known: dict[str, bool] = {}

    def exists(path: str) -> bool:
        if path not in known:
            target = search.follow(root, path)
            known[path] = target is not None and target.is_file()
        return known[path]

    return exists
