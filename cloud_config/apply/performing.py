"""Which function performs which action, and how an action is named to people."""

from __future__ import annotations

from typing import assert_never

from cloud_config.apply import files, hostname, services, storage, users
from cloud_config.apply.context import Done, Run
from cloud_config.apply.removals import Step
from cloud_config.apply.services import DisableUnit, StopUnit
from cloud_config.planning.actions import (
    AuthorizeKeys,
    CommandUnit,
    EnableUnit,
    EnsureUser,
    FormatDisk,
    LinkFile,
    PutFile,
    ReloadManager,
    RemoveFile,
    RunScript,
    SetHostname,
    SetTimezone,
)


def perform(step: Step, run: Run) -> Done:
    """Do one step.

    Raises:
        Fault: it could not be done; the machine is as before or partly changed,
            and doing it again is safe.
    """
    match step:
        case PutFile() | LinkFile() | RemoveFile():
            return _perform_file(step, run)
        case SetHostname():
            return hostname.set_hostname(step, run)
        case SetTimezone():
            return hostname.set_timezone(step, run)
        case EnsureUser():
            return users.ensure(step, run)
        case AuthorizeKeys():
            return users.authorize(step, run)
        case FormatDisk():
            return storage.format_disk(step, run)
        case _:
            return _perform_unit(step, run)


def _perform_file(step: PutFile | LinkFile | RemoveFile, run: Run) -> Done:
    match step:
        case PutFile():
            return files.put(step, run)
        case LinkFile():
            return files.link(step, run)
        case RemoveFile():
            return files.remove(step, run)
        case _:
            assert_never(step)


def _perform_unit(
    step: ReloadManager | EnableUnit | DisableUnit | StopUnit | CommandUnit | RunScript, run: Run
) -> Done:
    match step:
        case ReloadManager():
            return services.reload_manager(run)
        case EnableUnit():
            return services.enable(step, run)
        case DisableUnit():
            return services.disable(step, run)
        case StopUnit():
            return services.stop(step, run)
        case CommandUnit():
            return services.command(step, run)
        case RunScript():
            return services.run_script(step, run)
        case _:
            assert_never(step)


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


def named(step: Step) -> tuple[str, str]:
    """Kind and subject of a step, for reports; shows no content."""
    if isinstance(step, CommandUnit):
        return f"{step.verb}-unit", step.name
    subject = ""
    for attribute in ("path", "name", "user", "device"):
        if found := getattr(step, attribute, ""):
            subject = str(found)
    return _VERBS[type(step)], subject
