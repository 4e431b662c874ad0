"""What can be said of a user: the one list of it.

The keys of the document, their checks, the schema and the action that makes the
user are derived from these fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from cloud_config.document.keys import Items, Kind, Leaf

_FLAG = Leaf(Kind.FLAG)
_GROUP = Leaf(pattern=r"\A[A-Za-z0-9_.-]+\Z", allowed="a name of a group")
_FIELD = Leaf(pattern=r"\A[^:\n]*\Z", allowed="one line without :")  # of a line of /etc/passwd
_PATH = Leaf(pattern=r"\A/[^:\n]*\Z", allowed="an absolute path without :")


@dataclass(frozen=True, slots=True)
class Account:
    """A user as an item of ``users`` describes it; the keys are those of coreos-cloudinit.

    Each annotation has the check of the key and a sentence about it.
    """

    name: Annotated[
        str,
        Leaf(
            pattern=r"\A[A-Za-z_][A-Za-z0-9_.-]{0,31}\Z",
            allowed="32 letters, digits, _ . -, the first a letter or _",
        ),
        "Name of the account.",
    ]
    passwd: Annotated[
        str | None,
        Leaf(pattern=r"\A[^:\n]*\Z", allowed="one line without :", secret=True),
        "Hash of the password as crypt(3) makes it, never the password.",
    ] = field(default=None, repr=False)
    gecos: Annotated[str, _FIELD, "Full name."] = ""
    homedir: Annotated[str, _PATH, "Home directory; /home/NAME by default."] = ""
    no_create_home: Annotated[bool, _FLAG, "Do not make the home directory."] = False
    primary_group: Annotated[str, _GROUP, "Group instead of one's own."] = ""
    groups: Annotated[tuple[str, ...], Items(_GROUP), "More groups."] = ()
    no_user_group: Annotated[bool, _FLAG, "Make no group of the user's name."] = False
    system: Annotated[bool, _FLAG, "A system account: low number, no home unless asked for."] = (
        False
    )
    no_log_init: Annotated[bool, _FLAG, "Leave lastlog and faillog alone."] = False
    shell: Annotated[str, _PATH, "Login shell."] = ""


@dataclass(frozen=True, slots=True)
class User(Account):
    """One item of ``users``: the account, its keys and where it stands in the document."""

    ssh_authorized_keys: Annotated[
        tuple[str, ...], Items(Leaf(secret=True)), "Public keys that may log in."
    ] = ()
    line: int = 0
