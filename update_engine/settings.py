"""The engine's settings, and where each one comes from.

Fragments are TOML files in ``/usr/lib``, ``/etc`` and ``/run``
``update-engine/config.d``; see :mod:`hostio.files.dropins`. ``update.conf`` of
CoreOS is understood as far as its keys mean anything here; it takes part as
``50-update.conf``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from hostio.files import dropins
from hostio.files.dropins import Fragment
from osmodel.faults import Fault, InvalidInput
from osmodel.uki import parse_os_release

PROGRAM = "update-engine"
_UPDATE_CONF = ("usr/share/coreos/update.conf", "etc/coreos/update.conf")
_UPDATE_CONF_NAME = "50-update.conf"
_NO_UPDATE = "usr/.noupdate"


class RebootStrategy(StrEnum):
    """Who reboots after an update; kept for the reboot manager."""

    REBOOT = "reboot"
    ETCD_LOCK = "etcd-lock"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class RepositorySettings:
    """Where releases come from.

    Attributes:
        url: ``https://``, ``http://``, ``file://`` or a directory; ``{group}``
            is replaced. Empty: updates only by ``update-ctl apply --payload``.
        proxy: ``http://HOST:PORT`` towards http(s) addresses, ``none`` for no
            proxy at all; empty: what the environment of the program says.
    """

    url: str = ""
    proxy: str = ""


@dataclass(frozen=True, slots=True)
class UpdateSettings:
    """Whether and what to update.

    Attributes:
        enabled: false stops checks and installations; boots are still
            checked and blessed, a fall-back must keep working.
        group: put into the repository's URL.
        reboot_strategy: for the reboot manager; the engine itself reboots only
            when asked with ``--reboot``.
    """

    enabled: bool = True
    group: str = "stable"
    reboot_strategy: RebootStrategy = RebootStrategy.OFF


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """How a boot is checked.

    Attributes:
        deadline_s: for all checks of one boot together. Generous: a slow disk
            must not mark a good version bad.
    """

    deadline_s: int = 300

    def __post_init__(self) -> None:
        if self.deadline_s < 1:
            raise InvalidInput(f"deadline_s: must be at least 1, got {self.deadline_s}")


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it."""

    repository: RepositorySettings = field(default_factory=RepositorySettings)
    updates: UpdateSettings = field(default_factory=UpdateSettings)
    health: HealthSettings = field(default_factory=HealthSettings)

    @property
    def repository_url(self) -> str:
        """The repository with the group filled in."""
        return self.repository.url.replace("{group}", self.updates.group)


Configuration = dropins.Merged[Settings]


def read_settings(root: Path = Path("/")) -> Configuration:
    """Read and merge every file below ``root``; never fails, see ``problems``."""
    # Last: the maker of this image wanted no updates, whatever is configured.
    off = Fragment(str(root / _NO_UPDATE), {"updates": {"enabled": False}})
    above = [off] if (root / _NO_UPDATE).exists() else []
    beside = _update_conf(root)
    return dropins.read_drop_ins(Settings, PROGRAM, root=root, beside=beside, above=above)


def from_update_conf(values: Mapping[str, str]) -> dict[str, object]:
    """The keys of an ``update.conf`` as a fragment; unknown ones mean nothing here.

    ``SERVER=disabled`` stops updates, as it did there.
    """
    updates: dict[str, object] = {}
    table: dict[str, object] = {"updates": updates}
    server = values.get("SERVER", "")
    if server == "disabled":
        updates["enabled"] = False
    elif server:
        table["repository"] = {"url": server}
    if group := values.get("GROUP"):
        updates["group"] = group
    if strategy := values.get("REBOOT_STRATEGY"):
        updates["reboot_strategy"] = strategy
    return table


def _update_conf(root: Path) -> dict[str, Fragment | Fault]:
    """Both files of CoreOS; /etc wins key by key, as it did there."""
    paths = [root / name for name in _UPDATE_CONF]
    return {
        f"{_UPDATE_CONF_NAME}-{place}": _read_update_conf(path)
        for place, path in enumerate(paths)
        if path.is_file()
    }


def _read_update_conf(path: Path) -> Fragment | Fault:
    try:
        return Fragment(str(path), from_update_conf(parse_os_release(dropins.read_text(path))))
    except Fault as fault:
        return fault
