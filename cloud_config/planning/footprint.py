"""What actions leave on the disk, by path. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloud_config.planning.actions import (
    Action,
    AuthorizeKeys,
    LinkFile,
    PutFile,
    SetHostname,
    SetTimezone,
)
from cloud_config.planning.record import Record, of_content, of_link

HOSTNAME = "/etc/hostname"
LOCALTIME = "/etc/localtime"
ZONES = "/usr/share/zoneinfo"


def hostname_content(action: SetHostname) -> bytes:
    """What /etc/hostname is to hold."""
    return f"{action.name}\n".encode(errors="surrogatepass")


def zone_target(action: SetTimezone) -> str:
    """What /etc/localtime is to point at."""
    return f"{ZONES}/{action.name}"


def files_of(action: Action) -> Mapping[str, str]:
    """Fingerprints of what an action writes, by path."""
    match action:
        case PutFile():
            return {action.path: of_content(action.content)}
        case LinkFile():
            return {action.path: of_link(action.target)}
        case SetHostname():
            return {HOSTNAME: of_content(hostname_content(action))}
        case SetTimezone():
            return {LOCALTIME: of_link(zone_target(action))}
        case _:
            return {}


def intended(record: Record, actions: Sequence[Action]) -> Record:
    """The record with all that ``actions`` may write, to be kept before they do."""
    for action in actions:
        for path, mark in files_of(action).items():
            record = record.with_possible_file(path, action.origin, mark)
        if isinstance(action, AuthorizeKeys) and action.keys:
            record = record.with_keys(action.user, action.origin)
    return record
