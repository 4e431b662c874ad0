"""From a configured Debian base to the root file system of an image.

Two halves, remembered apart: the *shared tree* is everything that all versions
of a definition have in common (packages without their managers, kernel modules,
our programs, byte code); *finishing* adds overlays and identity, decides which
accounts there are and which units run, and makes every file look the same age.
A change of an overlay runs the second half only.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from builder import identity
from builder.identity import Identity
from builder.imagetoml import FileEntry, IdsTable
from builder.packages.emulation import Emulation
from builder.removal import remove_tree
from builder.tree import (
    accounts,
    certificates,
    factory,
    filetable,
    overlaytree,
    programs,
    pycompile,
    stripping,
    sysusers,
    units,
)
from builder.tree.overlaytree import Overlay
from hostio.system.runner import Command, Runner

ROOT = "root"
# Mount points, and links to what is on the state partition.
_DIRECTORIES = ("dev", "etc", "proc", "run", "sys", "tmp", "var", "efi", "boot", "mnt")
_LINKS = {
    "home": "var/home",
    "root": "var/roothome",
    "srv": "var/srv",
    "opt": "var/opt",
    "etc/os-release": "../usr/lib/os-release",
    "etc/resolv.conf": "../run/systemd/resolve/stub-resolv.conf",
    "etc/mtab": "../proc/self/mounts",
}


def make_shared(  # noqa: PLR0913 - the inputs of one step
    *,
    base: Path,
    kernel: Path,
    remove: Sequence[str],
    ids: IdsTable,
    sources: Path,
    tools: Runner,
    ldconfig: Sequence[str],
    out: Path,
) -> None:
    """Make the part that all versions share, in ``out/root``.

    Args:
        base: configured packages.
        kernel: tree with the modules.
        remove: packages to take out.
        ids: fixed numbers of users and groups.
        sources: holds our own packages.
        tools: sees all trees.
        ldconfig: how to start it; one that knows the tree's machine.
        out: an empty directory.

    Raises:
        InvalidInput: a package to remove is not there.
    """
    root = out / ROOT
    copy(base, root, tools)
    stripping.strip(root, remove)
    tools.run(Command(["cp", "--archive", f"{kernel}/.", str(root)]))
    programs.install(root, sources=sources)
    sysusers.take_over(root, tools)
    accounts.check(root, ids)
    accounts.lock_passwords(root)
    accounts.add_login_user(root)
    accounts.set_ranges(root)
    pycompile.compile_tree(root, tools)
    # Libraries have left; the aux cache would hold inode numbers.
    tools.run(Command([*ldconfig, "-r", str(root), "-C", "/etc/ld.so.cache"]))
    remove_tree(root / "var/cache")


def ldconfig(emulation: Emulation, architecture: str, root: Path) -> Sequence[str]:
    """How to start the ``ldconfig`` of a tree's machine.

    Args:
        emulation: starts programs of other machines.
        architecture: of the tree, Debian's name.
        root: configured packages.
    """
    return emulation.program(architecture, root / "usr/sbin/ldconfig")


def finish(  # noqa: PLR0913 - the inputs of one step
    *,
    shared: Path,
    overlays: Sequence[Overlay],
    files: Sequence[FileEntry],
    who: Identity,
    epoch: int,
    tools: Runner,
    out: Path,
) -> None:
    """Make the root tree of one version, in ``out/root``.

    Args:
        shared: the tree that all versions share.
        overlays: trees to lay over it, in this order.
        files: owners, modes and attributes that no checkout keeps.
        who: what it says about itself.
        epoch: time stamp of every file, seconds since 1970.
        tools: sees both trees.
        out: an empty directory.

    Raises:
        InvalidInput: an overlay does not fit.
    """
    root = out / ROOT
    copy(shared, root, tools)
    for overlay in overlays:
        overlaytree.merge(overlay, root)
    identity.write(root, who)
    _lay_out(root)
    trees = [overlay.path for overlay in overlays]
    scratch = root.with_name("scratch")
    certificates.change(root, trees, scratch, tools)
    accounts.check_ranges(root)
    sysusers.declare(root, scratch, tools)
    filetable.apply(root, files)
    units.enable(root, trees, tools)
    factory.move_state(root, scratch, tools)
    remove_tree(scratch)
    set_times(root, epoch)


def copy(source: Path, target: Path, tools: Runner) -> None:
    """Copy a tree with owners, times and links; shares blocks if the disk can."""
    tools.run(Command(["cp", "--archive", "--reflink=auto", str(source), str(target)]))


def set_times(root: Path, epoch: int) -> None:
    """Give everything below ``root`` one time stamp, and ``root`` too."""
    for path in (*root.rglob("*"), root):
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def _lay_out(root: Path) -> None:
    for name in _DIRECTORIES:
        (root / name).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for name, target in _LINKS.items():
        path = root / name
        remove_tree(path)
        path.symlink_to(target)
    # Empty, not missing: systemd fills it in, and does not take every boot of
    # a machine whose state is lost for the first one of an unset-up system.
    (root / "etc/machine-id").write_bytes(b"")
