"""The schema of ``image.toml``: one file, exactly as it is written.

``builder.definition`` joins a file with those it extends and fills in what
none of them says. Checks that one value can fail alone are here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from osmodel import accountids, filecapabilities
from osmodel.faults import InvalidInput
from osmodel.platforms import ARCHITECTURES, Platform, Target

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")


@dataclass(frozen=True, slots=True)
class PackagesTable:
    """``[packages]``: Debian packages.

    Attributes:
        include: to install, with all they depend on.
        remove: whose files are deleted once everything is configured.
    """

    include: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key, names in (("include", self.include), ("remove", self.remove)):
            for name in names:
                if not _PACKAGE.fullmatch(name):
                    raise InvalidInput(f"{key}: not a package name: {name!r}")


@dataclass(frozen=True, slots=True)
class KernelTable:
    """``[kernel]``.

    Attributes:
        package: Debian package of the kernel.
        command_line: arguments added to those every image has.
        modules: modules the initrd carries beside its own list.
        leave_out: modules and directories of modules that the image does not have,
            unless one that stays needs them.
        keep: exceptions from ``leave_out``.
    """

    package: str | None = None
    command_line: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for argument in self.command_line:
            if not argument.isascii() or not argument.isprintable() or " " in argument:
                raise InvalidInput(f"command_line: not one kernel argument: {argument!r}")
        for key, names in (("leave_out", self.leave_out), ("keep", self.keep)):
            for name in names:
                if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*(/[a-z0-9][a-z0-9_.-]*)*", name):
                    raise InvalidInput(f"{key}: not a directory of modules: {name!r}")


@dataclass(frozen=True, slots=True)
class IdsTable:
    """``[ids]``: numbers of users and groups that packages make.

    Attributes:
        users: number of a user and of the group with its name.
        groups: number of a group without a user.
        without_group: users whose group is ``nogroup``.
    """

    users: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)
    without_group: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        named = {**self.groups, **self.users}
        for name, number in named.items():
            if not _ACCOUNT.fullmatch(name):
                raise InvalidInput(f"users: not an account name: {name!r}")
            if not accountids.is_images(number):
                raise InvalidInput(
                    f"users: {name!r} has number {number}, not one of an image's:"
                    f" {accountids.IMAGES_TEXT}",
                    hint="the others are for accounts that a machine makes for itself",
                )
        for numbers in (self.users, named):
            if len(set(numbers.values())) != len(numbers):
                raise InvalidInput("users: two accounts have one number")


@dataclass(frozen=True, slots=True)
class DiskTable:
    """``[disk]``: sizes of partitions in MiB, except the state partition's."""

    slot_mib: int | None = None
    verity_mib: int | None = None
    esp_mib: int | None = None


@dataclass(frozen=True, slots=True)
class UpdateTable:
    """``[update]``.

    Attributes:
        url: of the repository, unless ``--update-url`` names another one.
        trust_root: file with the repository's root of trust, beside image.toml.
    """

    url: str | None = None
    trust_root: Path | None = None


@dataclass(frozen=True, slots=True)
class MissingLibrary:
    """``[[closure.allow]]``: a library that may be missing, and why."""

    file: str
    library: str
    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise InvalidInput("reason: may not be empty")


@dataclass(frozen=True, slots=True)
class ClosureTable:
    """``[closure]``: exceptions from the check that every library is there."""

    allow: tuple[MissingLibrary, ...] = ()


@dataclass(frozen=True, slots=True)
class FileEntry:
    """``[[files]]``: what a checkout does not keep of a file or directory.

    Attributes:
        path: on the machine, below /etc, /usr or /var.
        mode: octal digits, such as ``0600``; empty for what it is anyway.
        owner: name of a user of the image, or a number; empty as above.
        group: of a group.
        capabilities: as for setcap(8), such as ``cap_net_raw=ep``.
        xattrs: text of ``user.*`` attributes by name.
    """

    path: str
    mode: str = ""
    owner: str = ""
    group: str = ""
    capabilities: str = ""
    xattrs: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        top, *inner = self.path.removeprefix("/").split("/")
        plain = all(inner) and not {".", ".."} & set(inner)
        if not self.path.startswith("/") or top not in ("etc", "usr", "var") or not inner:
            raise InvalidInput(f"path: not a path below /etc, /usr or /var: {self.path!r}")
        if not plain:
            raise InvalidInput(f"path: not a plain path: {self.path!r}")
        if self.mode and not re.fullmatch(r"0?[0-7]{3,4}", self.mode):
            raise InvalidInput(f"mode: not octal digits of a mode: {self.mode!r}")
        if self.capabilities:
            _checked_capabilities(self.capabilities)
        for name in self.xattrs:
            if not name.startswith("user."):
                raise InvalidInput(f"xattrs: only `user.` attributes can be set: {name!r}")
        if top == "var" and (self.capabilities or self.xattrs):
            raise InvalidInput(
                f"path: {self.path!r}: what is below /var is made at boot, without attributes"
            )


def _checked_capabilities(text: str) -> None:
    try:
        filecapabilities.encode(text)
    except InvalidInput as fault:
        raise InvalidInput(f"capabilities: {fault}", hint=fault.hint) from fault


@dataclass(frozen=True, slots=True)
class Variant:
    """``[architecture.NAME]`` or ``[platform.NAME]``: what holds for one kind of machine."""

    packages: PackagesTable = field(default_factory=PackagesTable)
    kernel: KernelTable = field(default_factory=KernelTable)
    ids: IdsTable = field(default_factory=IdsTable)
    disk: DiskTable = field(default_factory=DiskTable)
    closure: ClosureTable = field(default_factory=ClosureTable)
    files: tuple[FileEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Fragment:
    """One image.toml, as written.

    Attributes:
        architecture: additions for machines of one architecture, by its name.
        platform: additions for machines of one platform, by its name.
    """

    name: str
    extends: str = ""
    packages: PackagesTable = field(default_factory=PackagesTable)
    kernel: KernelTable = field(default_factory=KernelTable)
    ids: IdsTable = field(default_factory=IdsTable)
    disk: DiskTable = field(default_factory=DiskTable)
    update: UpdateTable = field(default_factory=UpdateTable)
    closure: ClosureTable = field(default_factory=ClosureTable)
    files: tuple[FileEntry, ...] = ()
    architecture: Mapping[str, Variant] = field(default_factory=dict)
    platform: Mapping[str, Variant] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_keys("architecture", self.architecture, ARCHITECTURES)
        _check_keys("platform", self.platform, tuple(Platform))
        if not _NAME.fullmatch(self.name):
            raise InvalidInput(
                f"name: not an image name: {self.name!r}",
                hint="lower-case letters, digits and '-', at most 32",
            )

    def parts_for(self, target: Target) -> tuple[Fragment | Variant, ...]:
        """What the file says about machines of ``target``, the most general first."""
        found = (
            self.architecture.get(target.architecture),
            self.platform.get(target.platform.value),
        )
        return (self, *(variant for variant in found if variant is not None))


def _check_keys(table: str, found: Mapping[str, Variant], known: Sequence[str]) -> None:
    for name in found:
        if name not in known:
            raise InvalidInput(
                f"{table}: there is no {name!r}", hint=f"supported: {', '.join(known)}"
            )
