"""The package lock: exactly which .deb files an image or the tools tree is made of.

It names no mirror. Installation sees a repository of exactly these files, so two
builds of one lock cannot differ in a package. ``builder.packages.lockfile`` reads
and writes the file.

``epoch`` is the newest date of the archive indexes the lock was solved from;
it becomes SOURCE_DATE_EPOCH of everything built.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from osmodel.faults import InvalidInput

FORMAT = 1
SNAPSHOT_TIME = "%Y%m%dT%H%M%SZ"
"""How locks and Debian's snapshot service write a time, as for ``strftime``."""
LOCAL = "local"
"""The archive of .deb files that lie beside a definition."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_POOL_PATH = re.compile(r"[A-Za-z0-9+._~-]+(/[A-Za-z0-9+._~-]+)*\.deb")
_ARCHIVE = re.compile(r"[a-z][a-z0-9-]{0,31}")
_MAX_PACKAGE = 2 << 30  # bytes; Debian's largest packages are about half of it


class Archive(StrEnum):
    """Debian's two archives, by the names that its snapshot service gives them."""

    MAIN = "debian"
    SECURITY = "debian-security"


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One .deb file.

    Attributes:
        name: binary package name.
        version: Debian version, with epoch.
        architecture: Debian's name of it, or ``all``.
        size: bytes of the .deb file.
        sha256: 64 hex digits, of the .deb file.
        archive: where it comes from: one of :class:`Archive`, ``local``, or the name
            of a source in the definition.
        path: below the archive's address.
    """

    name: str
    version: str
    architecture: str
    size: int
    sha256: str
    archive: str
    path: str

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            raise InvalidInput(f"sha256: not 64 hex digits: {self.sha256!r}")
        if not _POOL_PATH.fullmatch(self.path) or ".." in self.path.split("/"):
            raise InvalidInput(f"path: not a path in an archive: {self.path!r}")
        if not _ARCHIVE.fullmatch(self.archive):
            raise InvalidInput(f"archive: not a name of one: {self.archive!r}")
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
        wanted: what the solution was made for, sorted: names of packages, and what
            the definition says about sources.
        packages: everything that is installed, sorted by name.
        kernel: packages that are only unpacked: no initramfs is generated.
        loader: the package the boot loader is taken from, of a later suite.
        stub: the package that the kernel image's first part is taken from.
        firmware: what the board itself reads before any kernel; only unpacked.
        snapshot: when all packages were in the archive, for the snapshot service.
        instead_of: digest of the lock that this one stands in for, or empty.
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
    snapshot: str = ""
    instead_of: str = ""

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise InvalidInput(f"format: expected {FORMAT}, got {self.format}")
        if self.snapshot and not _is_time(self.snapshot):
            raise InvalidInput(f"snapshot: expected YYYYMMDDThhmmssZ, got {self.snapshot!r}")
        if not self.packages:
            raise InvalidInput("packages: a lock of nothing")

    @property
    def everything(self) -> tuple[LockedPackage, ...]:
        """All .deb files."""
        return self.packages + self.kernel + self.loader + self.stub + self.firmware


def _is_time(text: str) -> bool:
    with suppress(ValueError):
        datetime.strptime(text, SNAPSHOT_TIME)  # noqa: DTZ007 - the form alone is looked at
        return True
    return False
