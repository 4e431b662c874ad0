"""Diversions: work of package scripts, done once by this host's own programs.

Some scripts spend most of the time of a build, above all where they are
emulated: compiling Python modules that are compiled again later, making keys
that are thrown away, and linking certificates, twice. While packages are
configured, a program that does nothing is diverted to in place of theirs; the
package's own file takes its place afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from builder.packages.lock import LockedPackage
from builder.removal import remove_tree
from builder.tree import certificates
from hostio.system.runner import Command, Runner

# The file by the package it comes from; each is started by package scripts only
# in a way that an empty program answers.
_DIVERTED = {
    "ca-certificates": "usr/sbin/update-ca-certificates",
    "libpython3.13-minimal": "usr/lib/python3.13/py_compile.py",
}
# Stripping takes these away; while they are there no keys are made.
_HOST_KEYS = tuple(f"etc/ssh/ssh_host_{kind}_key" for kind in ("rsa", "ecdsa", "ed25519"))


def excluded() -> tuple[str, ...]:
    """Files that must not be unpacked, absolute."""
    return tuple(f"/{name}" for name in _DIVERTED.values())


def divert(names: set[str], out: Path) -> None:
    """Write what lies in the root while its packages are configured.

    Args:
        names: of the packages.
        out: directory to fill.
    """
    files = [file for package, file in _DIVERTED.items() if package in names]
    if "openssh-server" in names:
        files += _HOST_KEYS
    for name in files:
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Python starts one of them and the shell another; both take this for nothing.
        path.write_text("#!/bin/sh\n" if name.startswith("usr/") else "")
        path.chmod(0o755)


def undo(root: Path, files: Mapping[LockedPackage, Path], scratch: Path, tools: Runner) -> None:
    """Put the packages' own files in place and do their work.

    Args:
        root: configured packages.
        files: the .deb file of each.
        scratch: an empty directory.
        tools: runs dpkg-deb and openssl; sees the trees and the package files.

    Raises:
        HostFailure: a package or a certificate cannot be read.
    """
    for package, deb in files.items():
        if name := _DIVERTED.get(package.name):
            unpacked = scratch / package.name
            tools.run(Command(["dpkg-deb", "--extract", str(deb), str(unpacked)]))
            (root / name).unlink()
            (unpacked / name).rename(root / name)
            remove_tree(unpacked)
    if (root / certificates.LIST).is_file():
        certificates.link(root, scratch / "certificates", tools)
