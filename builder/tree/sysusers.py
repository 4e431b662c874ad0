"""Accounts as systemd-sysusers makes them on a machine.

A machine that has changed /etc/passwd keeps its own copy over an update; at
each boot the accounts that a newer image brings are added to it. So an image
declares all of its accounts, in one file of its own and each with its number.
What packages declare without a number is taken out: it would be a second,
conflicting line for the same account.

An overlay may declare further accounts. With a number they become the image's
and the number must be one of an image's; without one each machine picks a
number of its own.

Source: sysusers.d(5) of systemd 257. Its files are read by systemd-sysusers
itself, on a scratch root.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from builder.tree import accounts
from hostio.system.runner import Command, Runner
from osmodel.accountids import IMAGES_TEXT, LOCAL_SYSTEM_IDS, is_debians, is_images
from osmodel.faults import InvalidInput

DIRECTORY = Path("usr/lib/sysusers.d")
OWN = DIRECTORY / "00-accounts.conf"
# base-passwd's own, which is exactly what the account files begin with.
_KEPT = ("basic.conf",)
_FILES = ("passwd", "group", "shadow", "gshadow")
# In a scratch root numbers that a machine would pick are picked from here, so
# that they cannot be taken for numbers that were asked for.
_PICKED = range(30000, 31000)
_DONE = "Creating "
_HEADER = "# Accounts of the image with their numbers, and numbers for a machine's own."


def take_over(root: Path, tools: Runner) -> None:
    """Make the accounts that packages declare, and drop their declarations.

    Args:
        root: configured packages.
        tools: runs systemd-sysusers; sees ``root``.

    Raises:
        InvalidInput: a declaration is refused.
    """
    _run(root, tools)
    for path in sorted((root / DIRECTORY).glob("*.conf")):
        if path.name not in _KEPT:
            path.unlink()


def declare(root: Path, scratch: Path, tools: Runner) -> None:
    """Write the image's declaration, and add the accounts of overlays that have a number.

    Args:
        root: with its overlays.
        scratch: does not exist yet; afterwards a root in which all accounts are
            made that a machine would have.
        tools: runs systemd-sysusers; sees both.

    Raises:
        InvalidInput: a declaration is refused, or its number is not an image's.
    """
    (root / OWN).unlink(missing_ok=True)
    _fill_scratch(root, scratch)
    lines = declaration(root)
    _write_own(scratch, _PICKED, lines)
    _run(scratch, tools)
    _write_own(root, LOCAL_SYSTEM_IDS, lines)
    _adopt(root, scratch)


def declaration(root: Path) -> list[str]:
    """All accounts of ``root`` as lines of sysusers.d(5)."""
    groups = _table(root, "group")
    lines = [f"g {name} {row[2]}" for name, row in groups.items() if not is_debians(int(row[2]))]
    for name, (_, _, user, group, words, home, shell) in _table(root, "passwd").items():
        if not is_debians(int(user)):
            lines.append(f"u {name} {user}:{group} {_quoted(words)} {home} {shell}")
    for group, row in groups.items():
        # Of people a machine decides in which groups they stay.
        members = [name for name in row[3].split(",") if name not in ("", accounts.LOGIN_USER)]
        lines += [f"m {name} {group}" for name in members]
    return lines


def _write_own(root: Path, picked: range, lines: Sequence[str]) -> None:
    (root / DIRECTORY).mkdir(parents=True, exist_ok=True)
    text = [_HEADER, f"r - {picked[0]}-{picked[-1]}", *lines]
    (root / OWN).write_text("\n".join(text) + "\n")


def _fill_scratch(root: Path, scratch: Path) -> None:
    for place in (DIRECTORY, Path("etc/sysusers.d")):
        if (root / place).is_dir():
            shutil.copytree(root / place, scratch / place, symlinks=True)
    (scratch / "etc").mkdir(parents=True, exist_ok=True)
    for name in _FILES:
        shutil.copyfile(root / "etc" / name, scratch / "etc" / name)


def _adopt(root: Path, scratch: Path) -> None:
    """Take over what systemd-sysusers did for accounts with a number of their own."""
    picked = {
        name
        for table in ("passwd", "group")
        for name, number in accounts.numbers(scratch / "etc" / table)
        if number in _PICKED
    }
    for table in ("passwd", "group"):
        known = _table(root, table)
        for name, row in _table(scratch, table).items():
            if name not in known and name not in picked and not is_images(int(row[2])):
                raise InvalidInput(
                    f"sysusers.d: {name!r} has number {row[2]}, not one of an image's:"
                    f" {IMAGES_TEXT}",
                    hint="`-` in place of the number lets each machine pick one of its own",
                )
    for file in _FILES:
        rows = [_fixed(file, row, picked) for row in _table(scratch, file).values()]
        lines = [":".join(row) for row in rows if row[0] not in picked]
        # Written in place: owner and mode stay.
        (root / "etc" / file).write_text("".join(f"{line}\n" for line in lines))


def _fixed(file: str, row: Sequence[str], picked: set[str]) -> list[str]:
    """A row without the day of the build and without members that only machines have."""
    if file == "shadow":
        return [*row[:2], "1", *row[3:]]
    if file in ("group", "gshadow"):
        return [*row[:3], ",".join(name for name in row[3].split(",") if name not in picked)]
    return list(row)


def _table(root: Path, file: str) -> dict[str, list[str]]:
    lines = (root / "etc" / file).read_text().splitlines()
    return {line.partition(":")[0]: line.split(":") for line in lines}


def _run(root: Path, tools: Runner) -> None:
    """Run systemd-sysusers, which ends well whatever it could not do.

    Raises:
        InvalidInput: it said anything but which accounts it made.
    """
    # What it says goes to standard error.
    command = ["sh", "-c", 'exec "$@" 2>&1', "sh", "systemd-sysusers", f"--root={root}"]
    said = tools.run(Command(command)).decode(errors="replace").splitlines()
    for line in said:
        if not line.startswith(_DONE):
            raise InvalidInput(f"sysusers.d: {line.replace(f'{root}/', '/')}")
    for name in (*(f"{file}-" for file in _FILES), ".pwd.lock"):
        (root / "etc" / name).unlink(missing_ok=True)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if text else "-"
