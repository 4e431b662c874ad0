"""A package repository of exactly the locked files, for mmdebstrap.

mmdebstrap installs from repositories, not from files. A flat repository of
nothing but the locked .deb files leaves it no choice of versions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from builder.packages.lock import LockedPackage
from hostio.system.runner import Command, Runner


def write(directory: Path, suite: str, files: Mapping[LockedPackage, Path], runner: Runner) -> str:
    """Fill ``directory`` and return the line for apt's sources.

    The line says ``trusted``: every file was checked against the lock, which is
    stricter than a signature on an index.

    Args:
        directory: empty; must stay until mmdebstrap ends.
        suite: what the repository calls itself; mmdebstrap looks for the
            essential packages of a suite by its name.
        files: the .deb file of each package.
        runner: runs dpkg-deb.
    """

    def stanza(package: LockedPackage) -> str:
        (directory / package.file_name).hardlink_to(files[package])
        control = runner.run(Command(["dpkg-deb", "--field", str(files[package])])).decode()
        return (
            f"{control.rstrip()}\nFilename: ./{package.file_name}\n"
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
    return f"deb [trusted=yes] copy://{directory} ./"
