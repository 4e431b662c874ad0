"""What a former document asked for and this one does not. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cloud_config.planning.actions import (
    Action,
    AuthorizeKeys,
    CommandUnit,
    DisableUnit,
    EnableUnit,
    ReloadManager,
    RemoveFile,
    StopUnit,
)
from cloud_config.planning.footprint import files_of
from cloud_config.planning.record import Record, of_link

ORIGIN = "removals"
_NETWORKS = ("/etc/systemd/network/", "/run/systemd/network/")
_UNITS = ("/etc/systemd/system/", "/run/systemd/system/")


def removals(record: Record, actions: Sequence[Action]) -> tuple[Action, ...]:
    """The actions that take back what ``record`` has and ``actions`` do not ask for.

    Units are stopped and disabled while their files are still there.
    """
    taken = (*_units(record, actions), *_files(record, actions), *_keys(record, actions))
    return (*taken, ReloadManager(ORIGIN)) if taken else ()


def _files(record: Record, actions: Sequence[Action]) -> Iterator[Action]:
    asked = {path for action in actions for path in files_of(action)}
    gone = {path: one.origin for path, one in record.files.items() if path not in asked}
    yield from (RemoveFile(path, origin) for path, origin in gone.items())
    networks = {origin for path, origin in gone.items() if path.startswith(_NETWORKS)}
    for origin in sorted(networks)[:1]:
        yield CommandUnit("try-restart", "systemd-networkd.service", origin, only_if_changed=True)


def _units(record: Record, actions: Sequence[Action]) -> Iterator[Action]:
    asked = {path for action in actions for path in files_of(action)}
    for path, written in record.files.items():
        name = path.rpartition("/")[2]
        is_unit = path in {f"{directory}{name}" for directory in _UNITS}
        is_mask = written.may_be(of_link("/dev/null"))
        if is_unit and not is_mask and path not in asked:
            yield StopUnit(name, written.origin)
    enabled = {action.name for action in actions if isinstance(action, EnableUnit)}
    for name, unit in record.enabled.items():
        if name not in enabled:
            yield DisableUnit(name, unit.runtime, unit.origin)


def _keys(record: Record, actions: Sequence[Action]) -> Iterator[Action]:
    asked = {(a.user, a.origin) for a in actions if isinstance(a, AuthorizeKeys) and a.keys}
    for user, origins in record.keys.items():
        for origin in origins:
            if (user, origin) not in asked:
                yield AuthorizeKeys(user, (), origin)
