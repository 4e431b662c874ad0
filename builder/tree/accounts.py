"""Users and groups with numbers that never change between releases.

Files on the state partition belong to numbers, not to names. Packages take the
next free number when they are configured, so adding a package to an image could
hand the files of one service to another after an update. Therefore an image
definition fixes every number, and a build that finds another one fails.

Accounts that a machine makes for itself come from other ranges (see
``osmodel.accountids``), which ``login.defs`` and ``sysusers.d`` of the image say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from builder.imagetoml import IdsTable
from osmodel.accountids import LOCAL_LOGIN_IDS, LOCAL_SYSTEM_IDS, LOGIN_ID, is_debians
from osmodel.faults import InvalidInput

SEEDED = ("passwd", "group")
LOGIN_USER = "core"
_FILES = (*SEEDED, "shadow", "gshadow")
_NOGROUP = 65534
_NOWHERE = "/nonexistent:/usr/sbin/nologin"  # home and shell
_RANGES = {
    **{f"SYS_{kind}_MIN": LOCAL_SYSTEM_IDS[0] for kind in ("UID", "GID")},
    **{f"SYS_{kind}_MAX": LOCAL_SYSTEM_IDS[-1] for kind in ("UID", "GID")},
    **{f"{kind}_MIN": LOCAL_LOGIN_IDS[0] for kind in ("UID", "GID")},
    **{f"{kind}_MAX": LOCAL_LOGIN_IDS[-1] for kind in ("UID", "GID")},
}


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
        ("users", ids.users, numbers(root / "etc/passwd")),
        ("groups", {**ids.groups, **ids.users}, numbers(root / "etc/group")),
    ):
        for name, number in rows:
            if not is_debians(number) and known.get(name) != number:
                raise InvalidInput(
                    f"ids.{kind}: {name!r} got number {number}, which nothing keeps",
                    hint=f"add `{name} = {number}` (or a free number) to [ids.{kind}]",
                )


def add_login_user(root: Path) -> None:
    """Add ``core``: for people, with a locked password until a key is given."""
    _append(root / "etc/passwd", f"{LOGIN_USER}:x:{LOGIN_ID}:{LOGIN_ID}::/home/core:/bin/bash")
    _append(root / "etc/group", f"{LOGIN_USER}:x:{LOGIN_ID}:")
    _append(root / "etc/shadow", f"{LOGIN_USER}:!*:1::::::")
    _append(root / "etc/gshadow", f"{LOGIN_USER}:!*::")
    journal = (root / "etc/group").read_text().replace("adm:x:4:", f"adm:x:4:{LOGIN_USER}")
    (root / "etc/group").write_text(journal)


def lock_passwords(root: Path) -> None:
    """Admit no user by password, root included; and drop the tools' backups."""
    path = root / "etc/shadow"
    rows = [line.split(":") for line in path.read_text().splitlines()]
    # Day 1, not the day of the build; a change date of 0 would mean "expired".
    fixed = [":".join([name, "!*", "1", *rest]) for name, _, _, *rest in rows]
    path.write_text("\n".join(fixed) + "\n")
    for name in (*(f"{file}-" for file in _FILES), ".pwd.lock"):
        (root / "etc" / name).unlink(missing_ok=True)


def set_ranges(root: Path) -> None:
    """Let useradd and groupadd of a machine take numbers of the machine's own."""
    path = root / "etc/login.defs"
    lines = path.read_text().splitlines() if path.is_file() else []
    kept = [line for line in lines if not _says(line, *_RANGES)]
    said = [f"{key} {value}" for key, value in _RANGES.items()]
    note = ["", "# Numbers that no image hands out, so that no update brings an account with one."]
    path.write_text("\n".join([*kept, *note, *said]) + "\n")


def check_ranges(root: Path) -> None:
    """Refuse an overlay's login.defs that takes numbers of images.

    Raises:
        InvalidInput: names the key.
    """
    lines = (root / "etc/login.defs").read_text().splitlines()
    for key, wanted in _RANGES.items():
        values = [line.split()[1:2] for line in lines if _says(line, key)]
        # The last one counts; without any the programs begin where images do.
        number = int(values[-1][0]) if values and values[-1] and values[-1][0].isdigit() else 0
        allowed = LOCAL_SYSTEM_IDS if key.startswith("SYS_") else LOCAL_LOGIN_IDS
        if number not in allowed:
            raise InvalidInput(
                f"etc/login.defs: {key} must be within {allowed[0]} to {allowed[-1]}",
                hint=f"the image's own is {wanted}; other numbers are for accounts of images",
            )


def numbers(path: Path) -> Iterator[tuple[str, int]]:
    """Name and number of each row of passwd(5) or group(5)."""
    for line in path.read_text().splitlines():
        name, _, number, *_ = line.split(":")
        yield name, int(number)


def _says(line: str, *keys: str) -> bool:
    return bool(re.match(rf"\s*(?:{'|'.join(keys)})(?:\s|$)", line))


def _append(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")
