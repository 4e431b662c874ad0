"""What an image has below ``/var``, as instructions for each boot.

``/var`` is on the state partition, which is empty on a new disk and keeps its
content over updates. So the image carries none of it: files move to
``/usr/share/factory/var`` and lines for systemd-tmpfiles make each directory,
file and link that is missing, at every boot, with its owner and mode.

systemd-tmpfiles itself says what the rules of packages and overlays make, and
whether ours make the rest: it runs twice on a scratch root. What it would not
make on a machine is refused here.

Source: tmpfiles.d(5) of systemd 257.
"""

from __future__ import annotations

import os
import shutil
import stat
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from builder.removal import remove_tree
from hostio.system.runner import Command, Runner
from osmodel.faults import HostFailure, InvalidInput

FACTORY = Path("usr/share/factory/var")
RULES = Path("usr/lib/tmpfiles.d/twinkeel-var.conf")
_HEADER = "# What packages and overlays expect below /var; made when missing.\n"
_RULE_PLACES = (Path("usr/lib/tmpfiles.d"), Path("etc/tmpfiles.d"))
_LOST = ("security.capability", "user.", "system.posix_acl")
_USUAL = ((0o755, 0, 0), (0o644, 0, 0))
_PLAIN = frozenset(string.ascii_letters + string.digits + "/._-+,:@=~")


def move_state(root: Path, scratch: Path, tools: Runner) -> None:
    """Empty ``/var`` of the tree into the factory and write the rules.

    Args:
        root: with everything else in place.
        scratch: a root with all accounts that a machine would have and nothing
            else; filled with what a machine would make.
        tools: runs systemd-tmpfiles; sees both.

    Raises:
        InvalidInput: a rule is refused, or a file below /var would not be made
            as it is.
    """
    for place in _RULE_PLACES:
        if (root / place).is_dir():
            shutil.copytree(root / place, scratch / place, symlinks=True)
    made = _make(scratch, tools)
    wanted = {path.relative_to(root): _seen(path) for path in _below(root / "var")}
    rules = [
        _rule(root / name, name)
        for name, seen in wanted.items()
        if name not in made or (seen.wished and seen.permissions != made[name].permissions)
    ]
    if rules:
        for top in (root, scratch):
            (top / RULES).parent.mkdir(parents=True, exist_ok=True)
            (top / RULES).write_bytes(_HEADER.encode() + b"".join(rules))
    _move_files(root)
    if (root / FACTORY).is_dir():
        shutil.copytree(root / FACTORY, scratch / FACTORY, symlinks=True)
    made = _make(scratch, tools)
    for name, seen in wanted.items():
        _check(name, seen, made.get(name))


def _move_files(root: Path) -> None:
    """Bring what has content into the factory; the rest of /var goes."""
    for path in _below(root / "var"):
        if path.is_file() and not path.is_symlink():
            target = root / FACTORY / path.relative_to(root / "var")
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    for path in sorted((root / "var").iterdir()):
        remove_tree(path)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is at a path.

    Attributes:
        content: of a file, or target of a link.
        permissions: mode, user and group.
    """

    kind: str
    content: bytes
    permissions: tuple[int, int, int]

    @property
    def wished(self) -> bool:
        """Whether the permissions are other than what any file has."""
        return self.kind != "link" and self.permissions not in _USUAL


def _check(name: Path, wanted: _Seen, made: _Seen | None) -> None:
    if made is None:
        raise InvalidInput(f"{name}: systemd-tmpfiles would not make it at boot")
    if (made.kind, made.content) != (wanted.kind, wanted.content):
        raise InvalidInput(f"{name}: a rule in tmpfiles.d makes something else of it at boot")
    mode, allowed = made.permissions[0], wanted.permissions[0]
    if wanted.wished and mode & ~allowed:
        raise InvalidInput(
            f"{name}: a rule in tmpfiles.d gives it mode {mode:04o} at boot,"
            f" more than {allowed:04o}"
        )


def _make(scratch: Path, tools: Runner) -> dict[Path, _Seen]:
    """What a first boot makes below /var, by path below the root."""
    state = scratch / "var"
    remove_tree(state)
    state.mkdir()
    # As systemd-tmpfiles-setup.service calls it.
    command = ["systemd-tmpfiles", f"--root={scratch}", "--create", "--remove", "--boot"]
    try:
        tools.run(Command([*command, "--prefix=/var"]))
    except HostFailure as failure:
        complaints = [line for line in str(failure).splitlines() if "tmpfiles.d/" in line]
        if not complaints:
            raise
        raise InvalidInput(complaints[-1].replace(f"{scratch}/", "/")) from failure
    return {path.relative_to(scratch): _seen(path) for path in _below(state)}


def _seen(path: Path) -> _Seen:
    """What is at a path; refuses what no rule can make.

    Raises:
        InvalidInput: it has capabilities, attributes or an access control list.
    """
    status = path.lstat()
    permissions = (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
    if stat.S_ISLNK(status.st_mode):
        return _Seen("link", os.fsencode(path.readlink()), permissions)
    if any(name.startswith(_LOST) for name in os.listxattr(path)):
        raise InvalidInput(f"{path}: what is below /var is made at boot, without attributes")
    if stat.S_ISDIR(status.st_mode):
        return _Seen("directory", b"", permissions)
    return _Seen("file", path.read_bytes() if path.is_file() else b"", permissions)


def _below(top: Path) -> Iterator[Path]:
    """Everything below ``top``, directories before what is in them."""
    return iter(sorted(top.rglob("*")))


def _rule(path: Path, name: Path) -> bytes:
    place = _escaped(b"/" + os.fsencode(name))
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return b"L %s - - - - %s\n" % (place, _escaped(os.fsencode(path.readlink())))
    kind = b"d" if stat.S_ISDIR(status.st_mode) else b"C"
    owner = b"%d %d" % (status.st_uid, status.st_gid)
    return b"%s %s %04o %s -\n" % (kind, place, stat.S_IMODE(status.st_mode), owner)


def _escaped(name: bytes) -> bytes:
    """A word of tmpfiles.d(5): specifiers doubled, what is special by its number."""
    plain = name.replace(b"%", b"%%")
    return b"".join(
        bytes([byte]) if chr(byte) in _PLAIN or chr(byte) == "%" else b"\\x%02x" % byte
        for byte in plain
    )
