"""Image definitions: ``images/NAME`` with everything it extends, checked.

A definition may extend another one beside it: lists are added to the inherited
ones, single values replace them, and overlay trees are laid on top of each
other, the inherited first. What a file says about one architecture or platform
is added in the same way, after what it says about all. What cannot work is
refused here, with file and key, before anything is downloaded.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from builder.imagetoml import (
    DiskTable,
    FileEntry,
    Fragment,
    IdsTable,
    MissingLibrary,
    Variant,
)
from hostio.files import config
from osmodel.faults import InvalidInput
from osmodel.platforms import TARGETS, Target

T = TypeVar("T")

FILE = "image.toml"
LOCKS = "lock"
OVERLAY = "overlay"
MIB = 1 << 20
_DEFAULT_KERNELS = {"x86_64": "linux-image-cloud-amd64", "arm64": "linux-image-cloud-arm64"}
_SMALLEST_SLOT = 128  # MiB; a kernel's modules and systemd need about as much
_LARGEST_SLOT = 64 << 10  # MiB
_SMALLEST_ESP = 512  # MiB: FAT32 with clusters of 4 KiB, and two kernel images
_LARGEST_ESP = 8 << 10  # MiB


@dataclass(frozen=True, slots=True)
class DiskSizes:
    """Partition sizes in bytes, each a multiple of 1 MiB."""

    slot: int
    verity: int
    esp: int


@dataclass(frozen=True, slots=True)
class Definition:
    """What to build.

    Attributes:
        name: of the image.
        directory: of the definition; its locks lie there.
        target: the kind of machine it is for.
        packages: Debian packages to install, sorted.
        remove: packages whose files are deleted at the end, sorted.
        kernel: Debian package of the kernel.
        command_line: kernel arguments, inherited ones first.
        modules: modules the initrd carries beside its own list.
        leave_out: kernel modules the image does not have, and directories of them.
        keep: exceptions from these.
        ids: fixed numbers of users and groups.
        disk: partition sizes.
        update_url: of the repository, or empty.
        trust_root: file with the root of trust, if any.
        allowed: libraries that may be missing.
        files: owners, modes and attributes of files, inherited ones first.
        overlays: trees to lay over the root, in this order.
    """

    name: str
    directory: Path
    target: Target
    packages: tuple[str, ...]
    remove: tuple[str, ...]
    kernel: str
    command_line: tuple[str, ...]
    modules: tuple[str, ...]
    leave_out: tuple[str, ...]
    keep: tuple[str, ...]
    ids: IdsTable
    disk: DiskSizes
    update_url: str
    trust_root: Path | None
    allowed: tuple[MissingLibrary, ...]
    files: tuple[FileEntry, ...]
    overlays: tuple[Path, ...]

    @property
    def lock(self) -> Path:
        """Where the package lock of the target is, or would be."""
        return self.directory / LOCKS / f"{self.target.lock_name}.lock"

    @property
    def source(self) -> Path:
        """The definition's own file, for messages."""
        return self.directory / FILE


def load(directory: Path, target: Target = TARGETS[0]) -> Definition:
    """Read the definition in ``directory`` and those it extends.

    Args:
        directory: below ``images/``.
        target: the kind of machine it is wanted for.

    Raises:
        InvalidInput: no such definition, or it cannot be built.
    """
    chain = _chain(directory)
    path, last = chain[-1]
    layers = [(p / FILE, part) for p, item in chain for part in item.parts_for(target)]
    parts = [part for _, part in layers]
    kernel = _last([part.kernel.package for part in parts], _DEFAULT_KERNELS[target.architecture])
    return Definition(
        name=last.name,
        directory=path,
        target=target,
        packages=tuple(sorted({name for part in parts for name in part.packages.include})),
        remove=_removed(layers),
        kernel=kernel,
        command_line=tuple(a for part in parts for a in part.kernel.command_line),
        modules=tuple(m for part in parts for m in part.kernel.modules),
        leave_out=tuple(sorted({n for part in parts for n in part.kernel.leave_out})),
        keep=tuple(sorted({n for part in parts for n in part.kernel.keep})),
        ids=_ids([part.ids for part in parts]),
        disk=_sizes([part.disk for part in parts], path / FILE),
        update_url=_last([item.update.url for _, item in chain], ""),
        trust_root=_trust_root(chain),
        allowed=tuple(entry for part in parts for entry in part.closure.allow),
        files=tuple(entry for part in parts for entry in part.files),
        overlays=tuple(p / OVERLAY for p, _ in chain if (p / OVERLAY).is_dir()),
    )


def _removed(layers: Sequence[tuple[Path, Fragment | Variant]]) -> tuple[str, ...]:
    """Packages to take out; including one keeps what an earlier part removes."""
    removed: set[str] = set()
    for source, part in layers:
        both = sorted(set(part.packages.include) & set(part.packages.remove))
        if both:
            raise InvalidInput(f"{source}: packages.remove: also included: {both[0]!r}")
        removed -= set(part.packages.include)
        removed |= set(part.packages.remove)
    return tuple(sorted(removed))


def _chain(directory: Path) -> list[tuple[Path, Fragment]]:
    """The definition and those it extends, the inherited first."""
    chain: list[tuple[Path, Fragment]] = []
    path = directory
    while True:
        if not (path / FILE).is_file():
            raise _unknown(path, chain)
        fragment = config.load(Fragment, path / FILE)
        if fragment.name != path.resolve().name:
            raise InvalidInput(
                f"{path / FILE}: name: expected {path.resolve().name!r}, the directory's name"
            )
        if path in [earlier for earlier, _ in chain]:
            raise InvalidInput(f"{path / FILE}: extends: {fragment.name!r} extends itself")
        chain.insert(0, (path, fragment))
        if not fragment.extends:
            return chain
        path = path.parent / fragment.extends


def _unknown(path: Path, chain: Sequence[tuple[Path, Fragment]]) -> InvalidInput:
    parent = path.parent
    names = sorted(item.parent.name for item in parent.glob(f"*/{FILE}"))
    close = difflib.get_close_matches(path.name, names, n=1)
    hint = f"did you mean {str(parent / close[0])!r}?" if close else ""
    if not hint and names:
        hint = f"there are: {', '.join(names)}"
    if chain:
        source = chain[0][0] / FILE
        return InvalidInput(f"{source}: extends: no definition {path.name!r}", hint=hint)
    return InvalidInput(f"{path}: no image definition there", hint=hint)


def _last(values: Sequence[T | None], default: T) -> T:
    return next((value for value in reversed(values) if value is not None), default)


def _trust_root(chain: Sequence[tuple[Path, Fragment]]) -> Path | None:
    found = None
    for path, fragment in chain:
        if fragment.update.trust_root is not None:
            found = path / fragment.update.trust_root
            if not found.is_file():
                raise InvalidInput(f"{path / FILE}: update.trust_root: no such file: {found}")
    return found


def _ids(tables: Sequence[IdsTable]) -> IdsTable:
    users = {name: number for table in tables for name, number in table.users.items()}
    groups = {name: number for table in tables for name, number in table.groups.items()}
    return IdsTable(users, groups, tuple(n for table in tables for n in table.without_group))


def _sizes(tables: Sequence[DiskTable], source: Path) -> DiskSizes:
    slot = _last([table.slot_mib for table in tables], 1024)
    esp = _last([table.esp_mib for table in tables], _SMALLEST_ESP)
    needed = verity_needed(slot * MIB) // MIB + 1
    verity = _last([table.verity_mib for table in tables], needed)
    _check_range(source, "disk.slot_mib", slot, _SMALLEST_SLOT, _LARGEST_SLOT)
    _check_range(source, "disk.esp_mib", esp, _SMALLEST_ESP, _LARGEST_ESP)
    if verity < needed:
        raise InvalidInput(
            f"{source}: disk.verity_mib: {verity} MiB cannot hold the hash tree of a slot"
            f" of {slot} MiB",
            hint=f"it takes {needed} MiB; leave the key out to get just that",
        )
    return DiskSizes(slot * MIB, verity * MIB, esp * MIB)


def _check_range(source: Path, key: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise InvalidInput(f"{source}: {key}: {value} MiB is not within {least} to {most} MiB")


def verity_needed(data: int) -> int:
    """Bytes of a hash tree over ``data`` bytes, with its superblock."""
    blocks = -(-data // 4096)
    total = 1
    while blocks > 1:
        blocks = -(-blocks // 128)  # hashes of 32 bytes in a block of 4096
        total += blocks
    return total * 4096
