"""The package lock: exactly which .deb files an image or the tools tree is made of.

A lock is text that a person reviews in a diff: one line per package, sorted,
with version, size, SHA-256 and the path inside Debian's archive. It names no
mirror. Installation sees a repository of exactly these files, so two builds of
one lock cannot differ in a package.

``epoch`` is the newest date of the archive indexes the lock was solved from;
it becomes SOURCE_DATE_EPOCH of everything built.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.packages.mirrors import Archive
from hostio.files import config
from osmodel.faults import InvalidInput

FORMAT = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_POOL_PATH = re.compile(r"pool(/[A-Za-z0-9+._~-]+)+\.deb")
_MAX_PACKAGE = 2 << 30  # bytes; Debian's largest packages are about half of it


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One .deb file.

    Attributes:
        name: binary package name.
        version: Debian version, with epoch.
        architecture: Debian's name of it, or ``all``.
        size: bytes of the .deb file.
        sha256: 64 hex digits, of the .deb file.
        archive: the pool it comes from.
        path: below the mirror's address.
    """

    name: str
    version: str
    architecture: str
    size: int
    sha256: str
    archive: Archive
    path: str

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            raise InvalidInput(f"sha256: not 64 hex digits: {self.sha256!r}")
        if not _POOL_PATH.fullmatch(self.path) or ".." in self.path:
            raise InvalidInput(f"path: not a pool path: {self.path!r}")
        if not 0 < self.size <= _MAX_PACKAGE:
            raise InvalidInput(f"size: impossible size of {self.size} bytes")

    @property
    def file_name(self) -> str:
        """The name apt gives the file."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Lock:
    """Every package of one image (or of the tools tree) for one architecture.

    Attributes:
        format: of this file.
        suite: Debian suite the packages are solved from.
        architecture: Debian's name.
        epoch: seconds since 1970, UTC.
        wanted: the package names the solution was made for, sorted.
        packages: everything that is installed, sorted by name.
        kernel: packages that are only unpacked: no initramfs is generated.
        loader: the package the boot loader is taken from, of a later suite.
        stub: the package that the kernel image's first part is taken from.
        firmware: what the board itself reads before any kernel; only unpacked.
    """

    format: int
    suite: str
    architecture: str
    epoch: int
    wanted: tuple[str, ...]
    packages: tuple[LockedPackage, ...]
    kernel: tuple[LockedPackage, ...] = ()
    loader: tuple[LockedPackage, ...] = ()
    stub: tuple[LockedPackage, ...] = ()
    firmware: tuple[LockedPackage, ...] = ()

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise InvalidInput(f"format: expected {FORMAT}, got {self.format}")
        if not self.packages:
            raise InvalidInput("packages: a lock of nothing")

    @property
    def everything(self) -> tuple[LockedPackage, ...]:
        """All .deb files."""
        return self.packages + self.kernel + self.loader + self.stub + self.firmware

    @property
    def digest(self) -> str:
        """Names this lock in caches: 64 hex digits."""
        return hashlib.sha256(to_text(self).encode()).hexdigest()


def load(path: Path, *, refresh: str) -> Lock:
    """Read a lock file.

    Args:
        path: of an image's target, or ``tools.lock``.
        refresh: the command that makes it, for the hint.

    Raises:
        InvalidInput: missing, malformed or of another format.
    """
    hint = f"run: {refresh}"
    try:
        return config.load(Lock, path)
    except InvalidInput as error:
        raise InvalidInput(str(error), hint=error.hint or hint) from error


def check_current(
    lock: Lock,
    wanted: Sequence[str],
    *,
    source: Path,
    refresh: str,
    sections: Sequence[str] = ("packages",),
) -> None:
    """Refuse a lock that was solved for another list of packages.

    Args:
        lock: as it was read.
        wanted: names of the definition.
        source: its file, for messages.
        refresh: the command that makes it, for the hint.
        sections: those that may not be empty.

    Raises:
        InvalidInput: names what was added to or taken from the definition.
    """
    empty = [name for name in sections if not getattr(lock, name)]
    if empty:
        raise InvalidInput(f"{source}: has no section {empty[0]!r}", hint=f"run: {refresh}")
    added = sorted(set(wanted) - set(lock.wanted))
    dropped = sorted(set(lock.wanted) - set(wanted))
    if added or dropped:
        changes = [f"+{name}" for name in added] + [f"-{name}" for name in dropped]
        raise InvalidInput(
            f"{source}: solved for other packages: {' '.join(changes)}", hint=f"run: {refresh}"
        )


def to_text(lock: Lock) -> str:
    """The lock as TOML; the inverse of :func:`load`."""
    lines = [
        "# Made by `build-image lock`; every .deb file by size and SHA-256.",
        f"format = {lock.format}",
        f"suite = {_quote(lock.suite)}",
        f"architecture = {_quote(lock.architecture)}",
        f"epoch = {lock.epoch}",
        "wanted = [",
        *(f"  {_quote(name)}," for name in lock.wanted),
        "]",
    ]
    for key, packages in (
        ("packages", lock.packages),
        ("kernel", lock.kernel),
        ("loader", lock.loader),
        ("stub", lock.stub),
        ("firmware", lock.firmware),
    ):
        if packages:
            lines += [f"{key} = [", *(f"  {_row(package)}," for package in packages), "]"]
    return "\n".join(lines) + "\n"


def _row(package: LockedPackage) -> str:
    cells = [
        f"name = {_quote(package.name)}",
        f"version = {_quote(package.version)}",
        f"architecture = {_quote(package.architecture)}",
        f"size = {package.size}",
        f"sha256 = {_quote(package.sha256)}",
        f"archive = {_quote(package.archive)}",
        f"path = {_quote(package.path)}",
    ]
    return "{ " + ", ".join(cells) + " }"


def _quote(text: str) -> str:
    # Package names, versions and paths hold no character that TOML escapes.
    assert not set(text) & set('"\\\n'), text
    return f'"{text}"'
