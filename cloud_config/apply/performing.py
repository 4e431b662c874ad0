"""Which function performs which action, and how an action is named to people."""

from __future__ import annotations

from typing import assert_never

from cloud_config.apply import files, hostname, services, storage, users
from cloud_config.apply.context import Context, Done
from cloud_config.planning.actions import (
    Action,
    AuthorizeKeys,
    CommandUnit,
    DisableUnit,
    EnableUnit,
    EnsureUser,
    FormatDisk,
    LinkFile,
    OfUnits,
    PutFile,
    ReloadManager,
    RemoveFile,
    RunScript,
    SetHostname,
    SetTimezone,
    StopUnit,
)


def perform(action: Action, context: Context) -> Done:
    """Do one action.

    Raises:
        Fault: it could not be done; the machine is as before or partly changed,
            and doing it again is safe.
    """
    match action:
        case PutFile() | LinkFile() | RemoveFile():
            return _perform_file(action, context)
        case SetHostname():
            return hostname.set_hostname(action, context)
        case SetTimezone():
            return hostname.set_timezone(action, context)
        case EnsureUser():
            return users.ensure(action, context)
        case AuthorizeKeys():
            return users.authorize(action, context)
        case FormatDisk():
            return storage.format_disk(action, context)
        case _:
            return _perform_unit(action, context)


def _perform_file(action: PutFile | LinkFile | RemoveFile, context: Context) -> Done:
    match action:
        case PutFile():
            return files.put(action, context)
        case LinkFile():
            return files.link(action, context)
        case RemoveFile():
            return files.remove(action, context)
        case _:
            assert_never(action)


def _perform_unit(action: OfUnits, context: Context) -> Done:
    match action:
        case ReloadManager():
            return services.reload_manager(context)
        case EnableUnit():
            return services.enable(action, context)
        case DisableUnit():
            return services.disable(action, context)
        case StopUnit():
            return services.stop(action, context)
        case CommandUnit():
            return services.command(action, context)
        case RunScript():
            return services.run_script(action, context)
        case _:
            assert_never(action)


_VERBS = {
    SetHostname: "set-hostname",
    SetTimezone: "set-timezone",
    EnsureUser: "ensure-user",
    AuthorizeKeys: "authorize-keys",
    PutFile: "put-file",
    RemoveFile: "remove-file",
    LinkFile: "link-file",
    ReloadManager: "reload-units",
    EnableUnit: "enable-unit",
    DisableUnit: "disable-unit",
    StopUnit: "stop-unit",
    FormatDisk: "format-disk",
    RunScript: "run-script",
}


def named(action: Action) -> tuple[str, str]:
    """Kind and subject of an action, for reports; shows no content."""
    if isinstance(action, CommandUnit):
        return f"{action.verb}-unit", action.name
    subject = ""
    for attribute in ("path", "name", "user", "device"):
        if found := getattr(action, attribute, ""):
            subject = str(found)
    return _VERBS[type(action)], subject
