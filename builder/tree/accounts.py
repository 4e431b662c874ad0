"""Users and groups with numbers that never change between releases.

Files on the state partition belong to numbers, not to names. Packages take the
next free number when they are configured, so adding a package to an image could
hand the files of one service to another after an update. Therefore an image
definition fixes every number, and a build that finds another one fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from builder.imagetoml import IdsTable
from osmodel.faults import InvalidInput

SEEDED = ("passwd", "group")
_FILES = (*SEEDED, "shadow", "gshadow")
_NOGROUP = 65534
_NOWHERE = "/nonexistent:/usr/sbin/nologin"  # home and shell
# Debian fixes these for all time: base-passwd's, the group users, nobody and nogroup.
_FIXED_BY_DEBIAN = (*range(101), _NOGROUP)
_LOGIN_USER = "core"
_LOGIN_ID = 1000


def seeds(ids: IdsTable) -> Mapping[str, str]:
    """Lines for the account files, put there before packages want the accounts.

    Their shadow entries are made when the shadow files are.
    """
    lonely = set(ids.without_group)
    users = [
        f"{name}:x:{number}:{_NOGROUP if name in lonely else number}::{_NOWHERE}\n"
        for name, number in sorted(ids.users.items())
    ]
    named = {**ids.groups, **{n: i for n, i in ids.users.items() if n not in lonely}}
    groups = [f"{name}:x:{number}:\n" for name, number in sorted(named.items())]
    return {"passwd": "".join(users), "group": "".join(groups)}


def check(root: Path, ids: IdsTable) -> None:
    """Refuse a root with a user or group whose number is not fixed.

    Raises:
        InvalidInput: names the first one and the line that fixes it.
    """
    for kind, known, rows in (
        ("users", ids.users, _rows(root / "etc/passwd")),
        ("groups", {**ids.groups, **ids.users}, _rows(root / "etc/group")),
    ):
        for name, number in rows:
            if number not in _FIXED_BY_DEBIAN and known.get(name) != number:
                raise InvalidInput(
                    f"ids.{kind}: {name!r} got number {number}, which nothing keeps",
                    hint=f"add `{name} = {number}` (or a free number) to [ids.{kind}]",
                )


def add_login_user(root: Path) -> None:
    """Add ``core``: for people, with a locked password until a key is given."""
    _append(root / "etc/passwd", f"{_LOGIN_USER}:x:{_LOGIN_ID}:{_LOGIN_ID}::/home/core:/bin/bash")
    _append(root / "etc/group", f"{_LOGIN_USER}:x:{_LOGIN_ID}:")
    _append(root / "etc/shadow", f"{_LOGIN_USER}:!*:1::::::")
    _append(root / "etc/gshadow", f"{_LOGIN_USER}:!*::")
    journal = (root / "etc/group").read_text().replace("adm:x:4:", f"adm:x:4:{_LOGIN_USER}")
    (root / "etc/group").write_text(journal)


def lock_passwords(root: Path) -> None:
    """Let nobody in by password, root included; and drop the tools' backups."""
    path = root / "etc/shadow"
    rows = [line.split(":") for line in path.read_text().splitlines()]
    # Day 1, not the day of the build; a change date of 0 would mean "expired".
    fixed = [":".join([name, "!*", "1", *rest]) for name, _, _, *rest in rows]
    path.write_text("\n".join(fixed) + "\n")
    for name in _FILES:
        (root / f"etc/{name}-").unlink(missing_ok=True)


def sysusers(root: Path) -> str:
    """All accounts as systemd-sysusers lines.

    A machine that has changed /etc/passwd keeps its own copy over an update;
    at boot the accounts that a newer image brings are added to it.
    """
    lines = ["# Accounts of the image, with their fixed numbers."]
    groups = [row for row in _rows(root / "etc/group") if row[1] not in _FIXED_BY_DEBIAN]
    lines += [f"g {name} {number}" for name, number in groups]
    for line in (root / "etc/passwd").read_text().splitlines():
        name, _, user, group, _, home, shell = line.split(":")
        if int(user) not in _FIXED_BY_DEBIAN:
            lines.append(f"u {name} {user}:{group} - {home} {shell}")
    return "\n".join(lines) + "\n"


def _rows(path: Path) -> Iterator[tuple[str, int]]:
    for line in path.read_text().splitlines():
        name, _, number, *_ = line.split(":")
        yield name, int(number)


def _append(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")
