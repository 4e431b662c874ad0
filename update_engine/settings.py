"""The engine's settings: fragments, merged by file name, each key with its origin.

Fragments are TOML files in ``/usr/lib``, ``/etc`` and ``/run``
``update-engine/config.d``. A file of the same name in a later directory
replaces the earlier one, a link to /dev/null masks it, and what remains is
merged in the order of the names.

``update.conf`` of CoreOS is understood as far as its keys mean anything here;
it takes part as ``50-update.conf``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from osmodel.faults import InvalidInput


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
    """

    url: str = ""


@dataclass(frozen=True, slots=True)
class UpdateSettings:
    """Whether and what to update.

    Attributes:
        enabled: false stops checks and installations; starts are still
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
    """How a start is judged.

    Attributes:
        deadline_s: for all checks of one start together. Generous: a slow disk
            must not give up a good version.
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


@dataclass(frozen=True, slots=True)
class Fragment:
    """One file as read.

    Attributes:
        source: its path.
        table: its content.
    """

    source: str
    table: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Merged:
    """The sum of all fragments.

    Attributes:
        table: as one document.
        origins: file of each key, by dotted path.
    """

    table: Mapping[str, object]
    origins: Mapping[str, str]


def merge(fragments: Sequence[Fragment]) -> Merged:
    """Put fragments over each other, key by key; the last one wins."""
    table: dict[str, object] = {}
    origins: dict[str, str] = {}
    for fragment in fragments:
        _merge_into(table, fragment.table, "", (origins, fragment.source))
    return Merged(table, origins)


def _merge_into(
    table: dict[str, object],
    added: Mapping[str, object],
    prefix: str,
    noted: tuple[dict[str, str], str],
) -> None:
    origins, source = noted
    for key, value in added.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            inner = table.setdefault(key, {})
            assert isinstance(inner, dict), "fragments are checked before they are merged"
            _merge_into(inner, value, f"{path}.", noted)
        else:
            table[key] = value
            origins[path] = source


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
