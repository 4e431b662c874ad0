"""Lock files: text that a person reviews in a diff, one line per package, sorted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from builder.packages.lock import Lock, LockedPackage
from hostio.files import config
from osmodel.faults import InvalidInput


def load(path: Path, *, refresh: str) -> Lock:
    """Read a lock file.

    Args:
        path: of an image's target, or ``tools.lock``.
        refresh: the command that makes it, for the hint.

    Raises:
        InvalidInput: missing, malformed or of another format.
    """
    hint = f"run: {refresh}"
    try:
        return config.load(Lock, path)
    except InvalidInput as error:
        raise InvalidInput(str(error), hint=error.hint or hint) from error


def check_current(
    lock: Lock,
    wanted: Sequence[str],
    *,
    source: Path,
    refresh: str,
    sections: Sequence[str] = ("packages",),
) -> None:
    """Refuse a lock that was solved for another list of packages.

    Args:
        lock: as it was read.
        wanted: names of the definition.
        source: its file, for messages.
        refresh: the command that makes it, for the hint.
        sections: those that may not be empty.

    Raises:
        InvalidInput: names what was added to or taken from the definition.
    """
    empty = [name for name in sections if not getattr(lock, name)]
    if empty:
        raise InvalidInput(f"{source}: has no section {empty[0]!r}", hint=f"run: {refresh}")
    added = sorted(set(wanted) - set(lock.wanted))
    dropped = sorted(set(lock.wanted) - set(wanted))
    if added or dropped:
        changes = [f"+{name}" for name in added] + [f"-{name}" for name in dropped]
        raise InvalidInput(
            f"{source}: solved for other packages: {' '.join(changes)}", hint=f"run: {refresh}"
        )


def digest(lock: Lock) -> str:
    """Names what a lock holds, in caches: 64 hex digits.

    Not what it says about where to find that, or about other locks.
    """
    content = replace(lock, snapshot="", instead_of="")
    return hashlib.sha256(to_text(content).encode()).hexdigest()


def to_text(lock: Lock) -> str:
    """The lock as TOML; the inverse of :func:`load`."""
    lines = [
        "# Made by `build-image lock`; every .deb file by size and SHA-256.",
        f"format = {lock.format}",
        f"suite = {_quote(lock.suite)}",
        f"architecture = {_quote(lock.architecture)}",
        f"epoch = {lock.epoch}",
        *([f"snapshot = {_quote(lock.snapshot)}"] if lock.snapshot else []),
        *([f"instead_of = {_quote(lock.instead_of)}"] if lock.instead_of else []),
        "wanted = [",
        *(f"  {_quote(name)}," for name in lock.wanted),
        "]",
    ]
    for key, packages in (
        ("packages", lock.packages),
        ("kernel", lock.kernel),
        ("loader", lock.loader),
        ("stub", lock.stub),
        ("firmware", lock.firmware),
    ):
        if packages:
            lines += [f"{key} = [", *(f"  {_row(package)}," for package in packages), "]"]
    return "\n".join(lines) + "\n"


def _row(package: LockedPackage) -> str:
    cells = [
        f"name = {_quote(package.name)}",
        f"version = {_quote(package.version)}",
        f"architecture = {_quote(package.architecture)}",
        f"size = {package.size}",
        f"sha256 = {_quote(package.sha256)}",
        f"archive = {_quote(package.archive)}",
        f"path = {_quote(package.path)}",
    ]
    return "{ " + ", ".join(cells) + " }"


def _quote(text: str) -> str:
    # Package names, versions and paths hold no character that TOML escapes.
    assert not set(text) & set('"\\\n'), text
    return f'"{text}"'
