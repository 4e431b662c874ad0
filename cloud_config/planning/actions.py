"""What may be done to a machine, as data.

A plan is a tuple of these in the order of application. Each is idempotent: done
twice it changes nothing the second time. ``origin`` names the key of the
document that asked for it, for status, drift and messages; no action's text
form shows a secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cloud_config.document.users import Account


class Frequency(StrEnum):
    """When an action is due."""

    EVERY_BOOT = "every-boot"
    ONCE_PER_INSTANCE = "once-per-instance"


@dataclass(frozen=True, slots=True)
class SetHostname:
    """Static and transient host name."""

    name: str
    origin: str = "hostname"


@dataclass(frozen=True, slots=True)
class SetTimezone:
    """Link /etc/localtime to a zone of the image."""

    name: str
    origin: str = "timezone"


@dataclass(frozen=True, slots=True)
class EnsureUser(Account):
    """Make a user that does not exist; an existing one gets its password only.

    The password, a crypt(3) hash, is set once per instance; ``None`` leaves it.
    """

    origin: str = "users"


@dataclass(frozen=True, slots=True)
class AuthorizeKeys:
    """Make these the user's SSH keys of this origin; others' keys stay."""

    user: str
    keys: tuple[str, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class PutFile:
    """Write a file atomically: temporary name, owner, mode, flush, rename.

    Attributes:
        path: absolute; /etc, /var, /home, /root or /run only.
        owner: ``user[:group]`` or numbers; empty for root.
    """

    path: str
    content: bytes = field(repr=False)
    origin: str = ""
    mode: int = 0o644
    owner: str = ""


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """Take away a file this program wrote earlier and the document no longer asks for."""

    path: str
    origin: str


@dataclass(frozen=True, slots=True)
class LinkFile:
    """A symbolic link, such as a mask to /dev/null."""

    path: str
    target: str
    origin: str


@dataclass(frozen=True, slots=True)
class ReloadManager:
    """``systemctl daemon-reload`` if any unit file changed."""

    origin: str = "units"


@dataclass(frozen=True, slots=True)
class EnableUnit:
    """``systemctl enable [--runtime]``."""

    name: str
    runtime: bool
    origin: str


@dataclass(frozen=True, slots=True)
class DisableUnit:
    """Take back an :class:`EnableUnit` of a former document."""

    name: str
    runtime: bool
    origin: str


@dataclass(frozen=True, slots=True)
class StopUnit:
    """Stop a unit whose file is taken away, unless the image has one of that name."""

    name: str
    origin: str


@dataclass(frozen=True, slots=True)
class CommandUnit:
    """``systemctl VERB --no-block NAME``: a unit that hangs never holds the boot.

    Attributes:
        only_if_changed: skip it when no file of ``origin`` changed in this run.
    """

    verb: str
    name: str
    origin: str
    only_if_changed: bool = False


@dataclass(frozen=True, slots=True)
class FormatDisk:
    """Make a file system on a device that is empty; an occupied one is left and reported."""

    device: str
    format: str
    label: str
    origin: str


@dataclass(frozen=True, slots=True)
class RunScript:
    """Run user data that is a script as a transient unit; once per instance."""

    content: bytes = field(repr=False)
    origin: str = "script"


OfMachine = SetHostname | SetTimezone | EnsureUser | AuthorizeKeys
OfFiles = PutFile | RemoveFile | LinkFile | FormatDisk
OfUnits = ReloadManager | EnableUnit | DisableUnit | StopUnit | CommandUnit | RunScript
Action = OfMachine | OfFiles | OfUnits
