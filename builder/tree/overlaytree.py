"""Lay an overlay tree over a root tree.

Files belong to root, whichever user made the overlay. Of permissions, two kinds of
trees keep different things:

- The overlay of a *definition* is under version control, which keeps a file's
  execute permission and nothing else; the rest is what the umask of the
  checkout left. There only "executable" counts (0644 or 0755), so that every
  signer's checkout gives the same bits. A file with a mode or an extended
  attribute that no checkout gives is refused, unless the definition's ``files``
  table says what it gets: it would be lost in the next checkout.
- An overlay that was *named* for one build is taken as it lies in the file
  system: modes with setuid, setgid and sticky bits, capabilities, ``user.*``
  attributes. Write permission for the group is what some hosts' umask adds, and
  is left out.

A file without a wish of its own that replaces one of a package, and is no program
either, keeps that one's owner and mode: a list of passwords stays private.

Labels of the host (SELinux, IMA, overlayfs) belong to the host and are left out.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder.image import sparsefile
from builder.removal import remove_tree
from osmodel import filecapabilities
from osmodel.faults import InvalidInput

# Anywhere else a file would be lost at run time, or break the tree.
_PLACES = ("etc", "usr", "var")
MODE, ATTRIBUTES = "mode", "attributes"
_PLAIN_FILE, _PLAIN_PROGRAM = 0o644, 0o755
_OTHERS_READ = 0o055  # what a umask must leave to tell a mode from a wish
_ACCESS_LISTS = ("system.posix_acl_access", "system.posix_acl_default")


@dataclass(frozen=True, slots=True)
class Overlay:
    """A tree to lay over a root.

    Attributes:
        path: of the tree.
        versioned: whether it comes from a checkout, which keeps no finer modes.
        settled: what is said elsewhere of a file, by its path on the machine:
            ``MODE``, ``ATTRIBUTES`` or both.
    """

    path: Path
    versioned: bool = False
    settled: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """One file, link or directory of an overlay, as it will be.

    Attributes:
        path: where it lies.
        name: below the root, without a slash at the start.
        mode: permission bits; ``None`` if it has no wish of its own.
        attributes: extended attributes that are kept.
    """

    path: Path
    name: str
    kind: int
    mode: int | None
    attributes: Mapping[str, bytes] = field(default_factory=dict)


def merge(overlay: Overlay, root: Path) -> None:
    """Copy every file of ``overlay`` to the same place below ``root``.

    Files and links replace what is there; a directory joins a directory.

    Raises:
        InvalidInput: see :func:`items`; or a file would replace a directory.
    """
    for item in items(overlay):
        _place(item, root / item.name)


def digest(overlay: Overlay) -> str:
    """SHA-256 of all that :func:`merge` would copy: 64 hex digits.

    Raises:
        InvalidInput: see :func:`items`.
    """
    total = hashlib.sha256()
    for item in items(overlay):
        content = ""
        if stat.S_ISLNK(item.kind):
            content = str(item.path.readlink())
        elif stat.S_ISREG(item.kind):
            content = sparsefile.sha256(item.path)
        kept = {name: value.hex() for name, value in sorted(item.attributes.items())}
        executable = bool(item.path.lstat().st_mode & stat.S_IXUSR)
        line = [item.name, item.kind, executable, item.mode, kept, content]
        total.update(os.fsencode(json.dumps(line)) + b"\n")
    return total.hexdigest()


def items(overlay: Overlay) -> Iterator[Item]:
    """What an overlay brings, directories before what is in them.

    Raises:
        InvalidInput: a file lies where an image has none, is neither a file, a
            directory nor a link, or carries what cannot be kept.
    """
    for path in sorted(overlay.path.iterdir()):
        if path.name not in _PLACES or path.is_symlink() or not path.is_dir():
            raise InvalidInput(
                f"{path}: an image has nothing in /{path.name}",
                hint="use usr/, etc/ or, for state made at first boot, var/",
            )
    usual = _usual(overlay)
    for path in _everything(overlay.path):
        name = path.relative_to(overlay.path).as_posix()
        status = path.lstat()
        kind = stat.S_IFMT(status.st_mode)
        if kind not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            raise InvalidInput(f"{path}: not a file, directory or link")
        if kind == stat.S_IFLNK:
            yield Item(path, name, kind, None)
        else:
            yield _with_permissions(Item(path, name, kind, status.st_mode & 0o7777), overlay, usual)


def copy_plain(source: Path, target: Path) -> None:
    """Copy a source tree; of modes only "executable" counts."""
    for path in _everything(source):
        kind = stat.S_IFMT(path.lstat().st_mode)
        _place(Item(path, "", kind, None), target / path.relative_to(source))


def _everything(top: Path) -> list[Path]:
    return [path for path in sorted(top.rglob("*")) if "__pycache__" not in path.parts]


@dataclass(frozen=True, slots=True)
class _Usual:
    """The modes that say no more than "executable", or not."""

    files: frozenset[int]
    directories: frozenset[int]

    def holds(self, mode: int, kind: int) -> bool:
        return mode in (self.directories if kind == stat.S_IFDIR else self.files)


def _usual(overlay: Overlay) -> _Usual:
    """What the umask of the user who made the tree left, as its top directories show it.

    Raises:
        InvalidInput: it left so little that no file tells whether it is meant so.
    """
    given = 0
    for path in overlay.path.iterdir():
        given |= path.stat().st_mode
    umask = ~given & 0o777
    if given and umask & _OTHERS_READ and not overlay.versioned:
        raise InvalidInput(
            f"{overlay.path}: others may not read its directories ({given & 0o777:04o}), so it"
            " does not show which files are meant to be private",
            hint=f"chmod -R go+rX {overlay.path}, then take it from what is private",
        )
    masks = (umask, 0o022, 0o002)
    directories = {0o777 & ~mask for mask in masks}
    return _Usual(
        frozenset(whole & ~mask for whole in (0o666, 0o777) for mask in masks),
        # A directory that is shared by a group hands its mark on.
        frozenset({*directories, *(mode | given & stat.S_ISGID for mode in directories)}),
    )


def _with_permissions(item: Item, overlay: Overlay, usual: _Usual) -> Item:
    assert item.mode is not None
    attributes = _attributes(item.path)
    wished = "/" in item.name and not usual.holds(item.mode, item.kind)
    if not overlay.versioned:
        return Item(item.path, item.name, item.kind, item.mode if wished else None, attributes)
    settled = overlay.settled.get(f"/{item.name}", ())
    if (wished and MODE not in settled) or (attributes and ATTRIBUTES not in settled):
        raise _not_kept(item, attributes)
    return Item(item.path, item.name, item.kind, None)


def _not_kept(item: Item, attributes: Mapping[str, bytes]) -> InvalidInput:
    what = f"mode {item.mode:04o}" if not attributes else ", ".join(sorted(attributes))
    return InvalidInput(
        f"{item.path}: {what} is lost in a checkout of this definition",
        hint=f'say it in image.toml: [[files]] path = "/{item.name}", mode = "{item.mode:04o}"',
    )


def _attributes(path: Path) -> dict[str, bytes]:
    """Extended attributes that belong to the file, not to this host."""
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
    for name in sorted({*names} & {*_ACCESS_LISTS}):
        raise InvalidInput(
            f"{path}: {name} is not kept: a root has no access control lists",
            hint="use owner, group and mode",
        )
    return {
        name: os.getxattr(path, name, follow_symlinks=False)
        for name in sorted(names)
        if name == filecapabilities.XATTR or name.startswith("user.")
    }


def _place(item: Item, target: Path) -> None:
    before = _replaced(target)
    if stat.S_ISDIR(item.kind):
        if before is None or not stat.S_ISDIR(before.st_mode):
            remove_tree(target)
            target.mkdir(parents=True)
            target.chmod(0o755)
    elif before is not None and stat.S_ISDIR(before.st_mode):
        raise InvalidInput(f"{item.path}: would replace a directory")
    else:
        remove_tree(target)
        if stat.S_ISLNK(item.kind):
            target.symlink_to(item.path.readlink())
            return
        shutil.copyfile(item.path, target)
        _give_usual_permissions(item, target, before)
    if item.mode is not None:
        target.chmod(item.mode)
    for name, value in item.attributes.items():
        os.setxattr(target, name, value)


def _give_usual_permissions(item: Item, target: Path, before: os.stat_result | None) -> None:
    if item.path.lstat().st_mode & stat.S_IXUSR:
        target.chmod(_PLAIN_PROGRAM)
    elif before is None or item.mode is not None or not stat.S_ISREG(before.st_mode):
        target.chmod(_PLAIN_FILE)
    else:
        os.chown(target, before.st_uid, before.st_gid)
        target.chmod(stat.S_IMODE(before.st_mode) & ~0o7111)


def _replaced(target: Path) -> os.stat_result | None:
    try:
        return target.lstat()
    except FileNotFoundError:
        return None
