"""Work of package scripts that is put off, and done once by this host's own programs.

Some scripts spend most of the time of a build, above all where they are
emulated: compiling Python modules that are compiled again later, making keys
that are thrown away, and linking certificates, twice. While packages are
configured, a program that does nothing stands in for theirs; the package's own
file takes its place afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from builder.packages.lock import LockedPackage
from builder.removal import remove_tree
from hostio.system.runner import Command, Runner

# The file by the package it comes from; each is started by package scripts only
# in a way that an empty program answers.
_STOOD_IN = {
    "ca-certificates": "usr/sbin/update-ca-certificates",
    "libpython3.13-minimal": "usr/lib/python3.13/py_compile.py",
}
# Stripping takes these away; while they are there no keys are made.
_HOST_KEYS = tuple(f"etc/ssh/ssh_host_{kind}_key" for kind in ("rsa", "ecdsa", "ed25519"))
_CERTIFICATES = Path("etc/ssl/certs")
_BUNDLE = "ca-certificates.crt"
_LIST = Path("etc/ca-certificates.conf")
_PLACE = Path("usr/share/ca-certificates")


def excluded() -> tuple[str, ...]:
    """Files that must not be unpacked, absolute."""
    return tuple(f"/{name}" for name in _STOOD_IN.values())


def stand_in(names: set[str], out: Path) -> None:
    """Write what lies in the root while its packages are configured.

    Args:
        names: of the packages.
        out: directory to fill.
    """
    files = [file for package, file in _STOOD_IN.items() if package in names]
    if "openssh-server" in names:
        files += _HOST_KEYS
    for name in files:
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Python starts one of them and the shell another; both take this for nothing.
        path.write_text("#!/bin/sh\n" if name.startswith("usr/") else "")
        path.chmod(0o755)


def settle(root: Path, files: Mapping[LockedPackage, Path], scratch: Path, tools: Runner) -> None:
    """Put the packages' own files in place and do what was put off.

    Args:
        root: configured packages.
        files: the .deb file of each.
        scratch: an empty directory.
        tools: runs dpkg-deb and openssl; sees the trees and the package files.

    Raises:
        HostFailure: a package or a certificate cannot be read.
    """
    for package, deb in files.items():
        if name := _STOOD_IN.get(package.name):
            unpacked = scratch / package.name
            tools.run(Command(["dpkg-deb", "--extract", str(deb), str(unpacked)]))
            (root / name).unlink()
            (unpacked / name).rename(root / name)
            remove_tree(unpacked)
    if (root / _LIST).is_file():
        link_certificates(root, scratch / "certificates", tools)


def link_certificates(root: Path, scratch: Path, tools: Runner) -> None:
    """Make /etc/ssl/certs, as update-ca-certificates does.

    Source: ca-certificates 20250419, sbin/update-ca-certificates.
    """
    scratch.mkdir()
    target = root / _CERTIFICATES
    listed = (root / _LIST).read_text().splitlines()
    bundle = b""
    for name in (line for line in listed if line and line[0] not in "#!"):
        content = (root / _PLACE / name).read_bytes()
        bundle += content if content.endswith(b"\n") else content + b"\n"
        link = _link_name(name)
        (target / link).unlink(missing_ok=True)
        (target / link).symlink_to(f"/{_PLACE / name}")
        # The links are absolute, so they lead nowhere from here; openssl gets copies.
        (scratch / link).write_bytes(content)
    tools.run(Command(["openssl", "rehash", str(scratch)]))
    for path in scratch.iterdir():
        if path.is_symlink():
            (target / path.name).unlink(missing_ok=True)
            path.rename(target / path.name)
    (target / _BUNDLE).write_bytes(bundle)
    (target / _BUNDLE).chmod(0o644)
    remove_tree(scratch)


def _link_name(name: str) -> str:
    stem = Path(name).name.removesuffix(".crt")
    return stem.translate(str.maketrans(" (),", "_==_")) + ".pem"
