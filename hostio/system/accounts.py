"""Users and groups of this machine.

They are looked up in the account files themselves: what a name service adds
can not own a file before the network is there. They are changed by the
programs of the package passwd, which lock and replace those files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from hostio.files.lock import locked
from hostio.system.runner import Command, Runner
from osmodel.accountids import LOCAL_SYSTEM_IDS
from osmodel.faults import HostFailure, InvalidInput

_TIMEOUT = 60.0  # seconds; making a home copies a handful of files
# Lock, its draft by process number, draft of the file; "passwd-" is the last one and kept.
_REST = re.compile(r"(passwd|group|shadow|gshadow|subuid|subgid)(\.lock|\.[0-9]+|\+)")
# Also on a machine whose own login.defs says something else.
_SYSTEM_RANGE = tuple(
    f"SYS_{kind}_{word}={number}"
    for kind in ("UID", "GID")
    for word, number in (("MIN", LOCAL_SYSTEM_IDS[0]), ("MAX", LOCAL_SYSTEM_IDS[-1]))
)


class Account(NamedTuple):
    """A user.

    Attributes:
        user: its number.
        group: number of its own group.
    """

    name: str
    user: int
    group: int
    home: str


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A user to be made; everything empty is left to the programs.

    Attributes:
        groups: further groups, all of which exist.
        own_group: whether a group of the same name is made.
    """

    name: str
    gecos: str = ""
    home: str = ""
    make_home: bool = True
    primary_group: str = ""
    groups: Sequence[str] = ()
    own_group: bool = True
    system: bool = False
    log_init: bool = True
    shell: str = ""


class Accounts(Protocol):
    """Port for users and groups; the fake is ``tests.fakes.cloudparts.RamAccounts``.

    All raise ``HostFailure`` when the account files cannot be read or changed.
    """

    def user(self, name: str) -> Account | None:
        """The user of that name."""
        ...

    def group(self, name: str) -> int | None:
        """The number of the group of that name."""
        ...

    def add(self, account: NewAccount) -> None:
        """Make a user without a password; one that is there is an error."""
        ...

    def remove(self, name: str) -> None:
        """Take a user away; the home stays."""
        ...

    def set_password(self, name: str, hashed: str) -> None:
        """Set the password to a crypt(3) hash.

        Raises:
            InvalidInput: not one line of a hash.
        """
        ...


class SystemAccounts:
    """The account files below ``etc``; see :class:`Accounts`."""

    def __init__(self, runner: Runner, etc: Path = Path("/etc")) -> None:
        self._runner = runner
        self._etc = etc

    def user(self, name: str) -> Account | None:
        """See :meth:`Accounts.user`."""
        for row in self._rows("passwd", 7):
            if row[0] == name:
                return Account(name, int(row[2]), int(row[3]), row[5])
        return None

    def group(self, name: str) -> int | None:
        """See :meth:`Accounts.group`."""
        return next((int(row[2]) for row in self._rows("group", 4) if row[0] == name), None)

    def add(self, account: NewAccount) -> None:
        """See :meth:`Accounts.add`."""
        self._drop_stale_locks()
        self._runner.run(Command(useradd(account), timeout=_TIMEOUT))

    def remove(self, name: str) -> None:
        """See :meth:`Accounts.remove`."""
        self._drop_stale_locks()
        self._runner.run(Command(["userdel", "--force", "--", name], timeout=_TIMEOUT))

    def set_password(self, name: str, hashed: str) -> None:
        """See :meth:`Accounts.set_password`."""
        if not hashed.isprintable() or not hashed.isascii() or ":" in hashed:
            raise InvalidInput(f"the password of {name!r} is no crypt(3) hash")
        self._drop_stale_locks()
        # By standard input: what a program is called with is visible to everybody.
        line = f"{name}:{hashed}\n".encode()
        self._runner.run(Command(["chpasswd", "--encrypted"], stdin=line, timeout=_TIMEOUT))

    def _rows(self, file: str, fields: int) -> Iterator[list[str]]:
        path = self._etc / file
        try:
            text = path.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise HostFailure(f"{path}: {error.strerror}") from error
        for line in text.splitlines():
            row = line.split(":")
            if len(row) == fields and row[2].isdigit():
                yield row

    def _drop_stale_locks(self) -> None:
        """Take away lock files and half-written files of a program that lost power.

        A lock file holds a process number, and after a restart that can be
        anybody's: the account files would stay locked. Every program that makes
        them holds a lock on .pwd.lock for as long, so its holder may
        delete them.
        """
        busy = "another program is changing users"
        with locked(self._etc / ".pwd.lock", busy=busy, records=True):
            try:
                for path in list(self._etc.iterdir()):
                    if _REST.fullmatch(path.name):
                        path.unlink(missing_ok=True)
            except OSError as error:
                raise HostFailure(f"{self._etc}: {error.strerror}") from error


def useradd(account: NewAccount) -> list[str]:
    """The call that makes a user."""
    words = ["useradd", "--password", "*"]
    if account.gecos:
        words += ["--comment", account.gecos]
    if account.home:
        words += ["--home-dir", account.home]
    words.append("--create-home" if account.make_home else "--no-create-home")
    if account.primary_group:
        words += ["--gid", account.primary_group]
    if account.groups:
        words += ["--groups", ",".join(account.groups)]
    if not account.own_group:
        words.append("--no-user-group")
    if account.system:
        words += ["--system", *(word for key in _SYSTEM_RANGE for word in ("--key", key))]
    if not account.log_init:
        words.append("--no-log-init")
    return [*words, "--shell", account.shell or "/bin/bash", "--", account.name]
