"""What a former document asked for and this one does not. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cloud_config.apply.files import fingerprint
from cloud_config.apply.hostname import HOSTNAME, LOCALTIME, hostname_content, zone_target
from cloud_config.apply.services import DisableUnit, StopUnit
from cloud_config.planning.actions import (
    Action,
    AuthorizeKeys,
    CommandUnit,
    EnableUnit,
    LinkFile,
    PutFile,
    ReloadManager,
    RemoveFile,
    SetHostname,
    SetTimezone,
)
from cloud_config.state.record import Record, of_link

Step = Action | DisableUnit | StopUnit
_NETWORKS = ("/etc/systemd/network/", "/run/systemd/network/")
_UNITS = ("/etc/systemd/system/", "/run/systemd/system/")


def files_of(action: Step) -> Mapping[str, str]:
    """Fingerprints of what an action writes, by path."""
    match action:
        case PutFile():
            return {action.path: fingerprint(action.content)}
        case LinkFile():
            return {action.path: of_link(action.target)}
        case SetHostname():
            return {HOSTNAME: fingerprint(hostname_content(action))}
        case SetTimezone():
            return {LOCALTIME: of_link(zone_target(action))}
        case _:
            return {}


def intended(record: Record, actions: Sequence[Step]) -> Record:
    """The record with all that ``actions`` may write, to be kept before they do."""
    for action in actions:
        for path, mark in files_of(action).items():
            record = record.with_possible_file(path, action.origin, mark)
        if isinstance(action, AuthorizeKeys) and action.keys:
            record = record.with_keys(action.user, action.origin)
    return record


def leftovers(record: Record, actions: Sequence[Action]) -> tuple[Step, ...]:
    """The steps that take back what ``record`` has and ``actions`` do not ask for.

    Units are stopped and disabled while their files are still there.
    """
    steps = (*_units(record, actions), *_files(record, actions), *_keys(record, actions))
    return (*steps, ReloadManager("leftovers")) if steps else ()


def _files(record: Record, actions: Sequence[Action]) -> Iterator[Step]:
    asked = {path for action in actions for path in files_of(action)}
    gone = {path: one.origin for path, one in record.files.items() if path not in asked}
    yield from (RemoveFile(path, origin) for path, origin in gone.items())
    networks = {origin for path, origin in gone.items() if path.startswith(_NETWORKS)}
    for origin in sorted(networks)[:1]:
        yield CommandUnit("try-restart", "systemd-networkd.service", origin, only_if_changed=True)


def _units(record: Record, actions: Sequence[Action]) -> Iterator[Step]:
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


def _keys(record: Record, actions: Sequence[Action]) -> Iterator[Step]:
    asked = {(a.user, a.origin) for a in actions if isinstance(a, AuthorizeKeys) and a.keys}
    for user, origins in record.keys.items():
        for origin in origins:
            if (user, origin) not in asked:
                yield AuthorizeKeys(user, (), origin)
