"""A package repository of exactly the given files, for mmdebstrap and apt.

Both install from repositories, not from files. A flat repository of nothing but
these .deb files leaves them no choice of versions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from builder.packages.lock import LockedPackage
from hostio.system.runner import Command, Runner


def write(directory: Path, suite: str, files: Mapping[LockedPackage, Path], runner: Runner) -> str:
    """Fill ``directory`` and return the line for apt's sources.

    The line says ``trusted``: every file was checked against the lock, which is
    stricter than a signature on an index.

    Args:
        directory: empty, on the file system of the files; must stay until they
            were installed.
        suite: what the repository calls itself; mmdebstrap looks for the
            essential packages of a suite by its name.
        files: the .deb file of each package.
        runner: runs dpkg-deb.
    """
    for package, file in files.items():
        (directory / _name(package)).hardlink_to(file)
    write_index(directory, suite, files, runner)
    return f"deb [trusted=yes] {address(directory)} ./"


def address(directory: Path) -> str:
    """The address of such a repository."""
    return f"copy://{quote(str(directory))}"


def write_index(
    directory: Path, suite: str, files: Mapping[LockedPackage, Path], runner: Runner
) -> None:
    """Write the index of the repository alone: enough to find a solution; see :func:`write`."""

    def stanza(package: LockedPackage) -> str:
        control = runner.run(Command(["dpkg-deb", "--field", str(files[package])])).decode()
        return (
            f"{control.rstrip()}\nFilename: ./{_name(package)}\n"
            f"Size: {package.size}\nSHA256: {package.sha256}\n"
        )

    with ThreadPoolExecutor(2) as pool:
        stanzas = list(pool.map(stanza, files))
    index = "\n".join(stanzas).encode()
    (directory / "Packages").write_bytes(index)
    digest = hashlib.sha256(index).hexdigest()
    (directory / "Release").write_text(
        f"Suite: {suite}\nCodename: {suite}\nSHA256:\n {digest} {len(index)} Packages\n"
    )


def _name(package: LockedPackage) -> str:
    # Files of several archives may have one name.
    return f"{package.sha256}.deb"
