"""The kernel: taken from its package without running the package's scripts.

Installing the package would make an initramfs that is not used. Its modules are
stored uncompressed (the root file system is not compressed either, so that
deltas between releases stay small), without the parts an image leaves out, and
indexed by depmod. The kernel image itself is not part of the root.
"""

from __future__ import annotations

import lzma
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from builder.removal import remove_tree
from hostio.system.runner import Command, Runner
from osmodel.faults import HostFailure, InvalidInput
from osmodel.kernelmodules import ModuleIndex, parse_index

MODULES = Path("usr/lib/modules")
IMAGE = "vmlinuz"
DEVICE_TREES = "device-trees"
# Boards that are told about their hardware by a file beside the kernel image.
_BOARDS = "broadcom"


@dataclass(frozen=True, slots=True)
class ModuleChoice:
    """Which modules an image does without.

    Attributes:
        leave_out: directories and files below ``kernel/`` of the modules.
        keep: exceptions from these, written in the same way.
    """

    leave_out: Sequence[str] = ()
    keep: Sequence[str] = ()


def unpack(debs: Mapping[str, Path], choice: ModuleChoice, tools: Runner, out: Path) -> None:
    """Fill ``out`` with ``vmlinuz`` and ``root/usr/lib/modules/RELEASE``.

    Device trees that some board needs beside the kernel image lie in
    ``device-trees``, if the package has them.

    Args:
        debs: the kernel's packages by name; one of them holds the kernel.
        choice: modules to do without.
        tools: runs dpkg-deb and depmod; sees the debs and ``out``.
        out: an empty directory.

    Raises:
        InvalidInput: a directory that is named does not exist.
        HostFailure: not a kernel package.
    """
    scratch = out / "package"
    scratch.mkdir()
    for deb in debs.values():
        tools.run(Command(["dpkg-deb", "--extract", str(deb), str(scratch)]))
    images = sorted((scratch / "boot").glob("vmlinuz-*"))
    if len(images) != 1:
        raise HostFailure(f"expected one kernel in the kernel's packages, found {len(images)}")
    release = images[0].name.removeprefix("vmlinuz-")
    images[0].rename(out / IMAGE)
    _keep_device_trees(scratch, release, out / DEVICE_TREES)
    modules = out / "root" / MODULES / release
    modules.parent.mkdir(parents=True)
    (scratch / MODULES / release).rename(modules)
    remove_tree(scratch)
    _decompress(modules)
    _index(out / "root", release, tools)
    if choice.leave_out:
        _leave_out(modules, choice)
        _index(out / "root", release, tools)


def _keep_device_trees(scratch: Path, release: str, target: Path) -> None:
    # Debian's kernels before and since 7.3.
    places = (f"usr/lib/linux-image-{release}", f"{MODULES}/{release}/dtb")
    for place in places:
        if (scratch / place / _BOARDS).is_dir():
            (scratch / place / _BOARDS).rename(target)


def release_of(out: Path) -> str:
    """The kernel's release, as ``uname --kernel-release`` prints it."""
    (modules,) = (out / "root" / MODULES).iterdir()
    return modules.name


def _decompress(modules: Path) -> None:
    def one(path: Path) -> None:
        with lzma.open(path) as packed:
            path.with_suffix("").write_bytes(packed.read())
        path.unlink()

    with ThreadPoolExecutor() as pool:
        list(pool.map(one, sorted(modules.rglob("*.ko.xz"))))


def _index(root: Path, release: str, tools: Runner) -> None:
    tools.run(
        Command(["depmod", "--basedir", str(root), "--moduledir", "/usr/lib/modules", release])
    )


def _leave_out(modules: Path, choice: ModuleChoice) -> None:
    for key, names in (("leave_out", choice.leave_out), ("keep", choice.keep)):
        for name in names:
            if not (modules / "kernel" / name).exists():
                raise InvalidInput(f"kernel.{key}: no module or directory of modules: {name!r}")
    index = parse_index((modules / "modules.dep").read_text())
    for name in left_out(index, choice):
        (modules / name).unlink()
    for name in choice.leave_out:
        _drop_empty(modules / "kernel" / name)


def left_out(index: ModuleIndex, choice: ModuleChoice) -> tuple[str, ...]:
    """Files of the modules that leave: asked to, not to be kept, and needed by none that stays."""

    def below(file: str, names: Sequence[str]) -> bool:
        return any(f"{file}/".startswith(f"kernel/{name}/") for name in names)

    leaving = {
        name
        for name, file in index.files.items()
        if below(file, choice.leave_out) and not below(file, choice.keep)
    }
    # A module's needs hold the needs of its needs, so one look is enough.
    needed = {need for name in index.files.keys() - leaving for need in index.needs[name]}
    return tuple(sorted(index.files[name] for name in leaving - needed))


def _drop_empty(directory: Path) -> None:
    for path in sorted(directory.rglob("*"), reverse=True) if directory.is_dir() else ():
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()
