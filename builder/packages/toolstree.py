"""The tools tree: one pinned Debian tree that every build tool comes from.

Hosts differ in the versions of mkfs.erofs, ukify, QEMU and so on, and with them
the bits they write. The tree is made once from ``tools.lock`` and cached by its
digest. ``builder.packages.sandbox`` runs its programs.

The packages are only unpacked: a tree that is read-only and runs single
programs needs no configuration, and unpacking takes a third of the time.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from builder.cache import Cache
from builder.packages import localrepo, lockfile
from builder.packages.lock import Lock, LockedPackage
from builder.packages.sandbox import ToolsTree
from builder.removal import remove_tree
from hostio.system.runner import Command, Runner

PACKAGES = (
    "apt",
    "cryptsetup-bin",
    "debian-archive-keyring",
    "device-tree-compiler",
    "dmsetup",
    "dosfstools",
    "e2fsprogs",
    "erofs-utils",
    "fdisk",
    "kmod",
    "mmdebstrap",
    "mount",
    "mtools",
    "openssl",
    "ovmf",
    "python3",
    "python3-pefile",
    "qemu-efi-aarch64",
    "qemu-system-arm",
    "qemu-system-x86",
    "qemu-user",
    "qemu-utils",
    "sbsigntool",
    "socat",
    "systemd",
    "systemd-boot-efi",
    "systemd-boot-tools",
    "systemd-repart",
    "systemd-ukify",
    "u-boot-qemu",
    "u-boot-tools",
    "util-linux",
    "xorriso",
    "zstd",
)
_KIND = "tools"
_RECIPE = 1  # counts changes of how the tree is made
_UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info")


def is_prepared(lock: Lock, cache: Cache) -> bool:
    """Whether this host has the tree of ``lock``."""
    return cache.ready(_KIND, _entry(lock))


def found(lock: Lock, cache: Cache, host: Runner) -> ToolsTree:
    """The tree of ``lock``, which this host has.

    Args:
        lock: of the tools.
        cache: where trees are kept.
        host: runs bubblewrap.
    """
    digest = f"{_RECIPE}-{lockfile.digest(lock)}"
    return ToolsTree(cache.place(_KIND, _entry(lock)), digest, host, lock.architecture)


def made(lock: Lock, files: Mapping[LockedPackage, Path], cache: Cache, host: Runner) -> ToolsTree:
    """The tree of ``lock``, made if this host does not have it.

    Args:
        lock: of the tools.
        files: the .deb file of each package.
        cache: where trees are kept.
        host: runs mmdebstrap and bubblewrap; needs root.

    Raises:
        HostFailure: mmdebstrap failed.
    """

    def make(draft: Path) -> None:
        _unpack(lock, files, host, draft)
        _finish(draft)

    cache.entry(_KIND, _entry(lock), make)
    return found(lock, cache, host)


def _entry(lock: Lock) -> str:
    return f"tools-{_RECIPE}-{lockfile.digest(lock)[:32]}"


def _unpack(lock: Lock, files: Mapping[LockedPackage, Path], host: Runner, root: Path) -> None:
    repository = root.with_name(f"{root.name}-repository")
    remove_tree(repository)
    repository.mkdir()
    try:
        source = localrepo.write(repository, lock.suite, files, host)
        names = ",".join(package.name for package in lock.packages)
        argv = ["mmdebstrap", "--mode=root", "--variant=extract", "--format=directory"]
        argv += [f"--architectures={lock.architecture}", f"--include={names}"]
        argv += ["--skip=cleanup/reproducible,check/empty,check/qemu"]
        host.run(Command([*argv, lock.suite, str(root), source], timeout=3600))
    finally:
        remove_tree(repository)


def _finish(root: Path) -> None:
    """Put in place the few files that configuring the packages would have made."""
    for name in ("passwd", "group"):
        shutil.copyfile(root / f"usr/share/base-passwd/{name}.master", root / f"etc/{name}")
    resolver = root / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.touch()
    for name in _UNUSED:
        remove_tree(root / name)
