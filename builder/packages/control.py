"""What .deb files say about themselves: names, versions, what they depend on.

Source: Debian Policy 4.7, chapters 5 and 7.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from builder.packages.lock import LOCAL, LockedPackage
from hostio.system.runner import Command, Runner
from osmodel.faults import HostFailure, InvalidInput

_FIELD = re.compile(r"^(?P<name>[A-Za-z-]+):[ \t]*(?P<value>.*(?:\n[ \t].*)*)", re.MULTILINE)
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_AT_ONCE = 2
_ROUNDS = 3  # of neighbours before everything is let go


@dataclass(frozen=True, slots=True)
class Control:
    """The fields of a package that decide what else must be there.

    Attributes:
        name: of the package.
        version: Debian version.
        architecture: Debian's name of it, or ``all``.
        needs: names in its dependencies, alternatives included.
    """

    name: str
    version: str
    architecture: str
    needs: frozenset[str]


def parse(text: str) -> Control:
    """Read a control file.

    Raises:
        InvalidInput: a field is missing.
    """
    fields = {found["name"]: found["value"].strip() for found in _FIELD.finditer(text)}
    for name in ("Package", "Version", "Architecture"):
        if not fields.get(name):
            raise InvalidInput(f"no field {name!r}")
    relations = f"{fields.get('Pre-Depends', '')},{fields.get('Depends', '')}"
    words = (part.strip() for part in re.split(r"[,|]", relations))
    needs = (found[0] for word in words if (found := _NAME.match(word)))
    return Control(fields["Package"], fields["Version"], fields["Architecture"], frozenset(needs))


def read(file: Path, runner: Runner) -> Control:
    """What one .deb file says.

    Raises:
        InvalidInput: not a package.
    """
    try:
        return parse(runner.run(Command(["dpkg-deb", "--field", str(file)])).decode())
    except (HostFailure, InvalidInput, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file}: not a Debian package: {error}") from error


def local_packages(
    files: Iterable[Path], base: Path, runner: Runner
) -> Mapping[LockedPackage, Path]:
    """The .deb files beside a definition, as packages of the archive ``local``.

    Args:
        files: .deb files below ``base``.
        base: what their paths in a lock are relative to.
        runner: runs dpkg-deb.

    Raises:
        InvalidInput: one is not a package.
    """
    found = {}
    for file in files:
        control, content = read(file, runner), file.read_bytes()
        package = LockedPackage(
            name=control.name,
            version=control.version,
            architecture=control.architecture,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            archive=LOCAL,
            path=file.relative_to(base).as_posix(),
        )
        found[package] = file
    return found


def widening(
    lost: Iterable[LockedPackage], files: Mapping[LockedPackage, Path], runner: Runner
) -> Iterator[frozenset[str]]:
    """Names of packages that may change when some are lost, fewest first.

    The lost ones; then those of the same source, which usually need each other in one
    version; then, round by round, what depends on them and what they depend on; at
    last every package.

    Args:
        lost: packages that are not to be had any more.
        files: the .deb file of every other package.
        runner: runs dpkg-deb.
    """
    lost = tuple(lost)
    names = {item.name for item in lost}
    yield frozenset(names)
    sources = {_source(item) for item in lost}
    names |= {item.name for item in files if _source(item) in sources}
    yield frozenset(names)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        controls = list(pool.map(lambda file: read(file, runner), files.values()))
    for _ in range(_ROUNDS):
        below = {need for one in controls if one.name in names for need in one.needs}
        above = {one.name for one in controls if one.needs & names}
        names |= (below | above) & {one.name for one in controls}
        yield frozenset(names)
    yield frozenset({*names, *(item.name for item in files)})


def _source(package: LockedPackage) -> str:
    # pool/main/s/systemd/libsystemd0_257_amd64.deb
    return f"{package.archive}:{posixpath.dirname(package.path)}"
