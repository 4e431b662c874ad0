"""The tools tree: one pinned Debian tree that every build tool comes from.

Hosts differ in the versions of mkfs.erofs, ukify, QEMU and so on, and with them
the bits they write. The tree is made once from ``tools.lock`` and cached by its
digest; after that nothing of the host's own software touches an image, apart
from Python, bubblewrap and the kernel.

The packages are only unpacked: a tree that is read-only and runs single
programs needs no configuration, and unpacking takes a third of the time.

Programs run in it by bubblewrap: they see the tree read-only, a ``/tmp`` of
their own and the paths they were given, at the same place as outside.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from builder.cache import Cache, remove_tree
from builder.packages import localrepo
from builder.packages.debs import DebCache
from builder.packages.lock import Lock
from hostio.system.runner import Command, Process, Runner, Spawner
from osmodel.faults import HostFailure, InvalidInput

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


@dataclass(frozen=True, slots=True)
class ToolsTree:
    """A finished tree.

    Attributes:
        root: its top directory; never written to.
        digest: of the lock it was made from, for the keys of build steps.
        host: runs bubblewrap.
        architecture: of its programs and of this host, Debian's name.
    """

    root: Path
    digest: str
    host: Runner
    architecture: str = "amd64"

    def runner(self, binds: Iterable[Path] = ()) -> Runner:
        """A runner whose programs come from the tree.

        Args:
            binds: files and directories that programs may read and write.
        """
        return _TreeRunner(self, tuple(binds))

    def spawner(self, host: Spawner, binds: Iterable[Path] = ()) -> Spawner:
        """A spawner whose programs come from the tree; as :meth:`runner`."""
        return _TreeSpawner(self, host, tuple(binds))

    def wrapped(self, command: Command, binds: Sequence[Path]) -> Command:
        """The call of bubblewrap that runs ``command`` in the tree.

        Raises:
            InvalidInput: a path to bind would hide a part of the tree.
        """
        argv = ["bwrap", "--die-with-parent", "--unshare-pid", "--tmpfs", "/"]
        for name in ("usr", "etc"):
            argv += ["--ro-bind", str(self.root / name), f"/{name}"]
        for name in ("bin", "sbin", "lib", "lib64"):
            argv += ["--symlink", f"usr/{name}", f"/{name}"]
        argv += ["--ro-bind", "/sys", "/sys", "--proc", "/proc", "--dev-bind", "/dev", "/dev"]
        argv += ["--tmpfs", "/tmp", "--dir", "/run", "--dir", "/var/tmp"]  # noqa: S108 - inside
        argv += ["--ro-bind", str(self.root / "var/lib/dpkg"), "/var/lib/dpkg"]
        # User-mode networking of QEMU asks the host's name servers.
        argv += ["--ro-bind-try", os.path.realpath("/etc/resolv.conf"), "/etc/resolv.conf"]
        for path in binds:
            argv += ["--bind", _bindable(path), str(path)]
        argv += ["--chdir", str(command.cwd or "/"), "--", *command.argv]
        return replace(command, argv=argv, cwd=None)


@dataclass(frozen=True, slots=True)
class _TreeRunner:
    tree: ToolsTree
    binds: tuple[Path, ...]

    def run(self, command: Command) -> bytes:
        wrapped = self.tree.wrapped(command, self.binds)
        try:
            return self.tree.host.run(wrapped)
        except HostFailure as error:
            # The twenty options of bubblewrap say nothing to a reader.
            raise HostFailure(str(error).replace(str(wrapped), str(command))) from error


@dataclass(frozen=True, slots=True)
class _TreeSpawner:
    tree: ToolsTree
    host: Spawner
    binds: tuple[Path, ...]

    def spawn(self, command: Command, output: Path) -> Process:
        return self.host.spawn(self.tree.wrapped(command, self.binds), output)


def _bindable(path: Path) -> str:
    if not path.is_absolute() or path.parts[1:2] in {("usr",), ("etc",), ("proc",), ("sys",)}:
        raise InvalidInput(
            f"build tools cannot see {path}", hint="use an absolute path outside /usr and /etc"
        )
    return str(path)


def is_prepared(lock: Lock, cache: Cache) -> bool:
    """Whether this host has the tree of ``lock``."""
    return cache.ready(_KIND, _entry(lock))


def prepared(lock: Lock, debs: DebCache, cache: Cache, host: Runner) -> ToolsTree:
    """The tree of ``lock``, made now if this host does not have it.

    Args:
        lock: of the tools.
        debs: the package files.
        cache: where trees are kept.
        host: runs mmdebstrap and bubblewrap; needs root.

    Raises:
        HostFailure: mmdebstrap failed.
    """
    digest = f"{_RECIPE}-{lock.digest}"

    def make(draft: Path) -> None:
        _unpack(lock, debs, host, draft)
        _finish(draft)

    root = cache.entry(_KIND, _entry(lock), make)
    return ToolsTree(root, digest, host, lock.architecture)


def _entry(lock: Lock) -> str:
    return f"tools-{_RECIPE}-{lock.digest[:32]}"


def _unpack(lock: Lock, debs: DebCache, host: Runner, root: Path) -> None:
    files = debs.fetch(lock.packages)
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
