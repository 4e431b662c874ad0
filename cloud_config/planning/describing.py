"""Actions in words, for people and for programs; never with a secret in it."""

from __future__ import annotations

from collections.abc import Mapping

from cloud_config.planning.actions import (
    Action,
    AuthorizeKeys,
    CommandUnit,
    DisableUnit,
    EnableUnit,
    EnsureUser,
    FormatDisk,
    LinkFile,
    OfFiles,
    OfUnits,
    PutFile,
    ReloadManager,
    RemoveFile,
    RunScript,
    SetHostname,
    SetTimezone,
    StopUnit,
)


def summary(action: Action) -> str:
    """One line that says what is done."""
    if isinstance(action, OfFiles):
        return _of_files(action)
    if isinstance(action, OfUnits):
        return _of_units(action)
    match action:
        case SetHostname(name=name):
            return f"call the machine {name}"
        case SetTimezone(name=name):
            return f"set the time zone {name}"
        case EnsureUser():
            return _user(action)
        case AuthorizeKeys(user=user, keys=(), origin=origin):
            return f"take back the keys of {origin} from {user}"
        case AuthorizeKeys(user=user, keys=keys):
            return f"let {_counted(len(keys), 'key')} log in as {user}"


def _of_files(action: OfFiles) -> str:
    match action:
        case PutFile(path=path):
            owner = f" of {action.owner}" if action.owner else ""
            size = _counted(len(action.content), "byte")
            return f"write {path}, {size}, mode {action.mode:04o}{owner}"
        case RemoveFile(path=path):
            return f"remove {path}"
        case LinkFile(path=path, target="/dev/null"):
            return f"mask {path.rpartition('/')[2]}"
        case LinkFile(path=path, target=target):
            return f"link {path} to {target}"
        case FormatDisk():
            label = f", label {action.label}" if action.label else ""
            return f"make a file system on {action.device} if it is empty: {action.format}{label}"


def _of_units(action: OfUnits) -> str:
    match action:
        case ReloadManager():
            return "let systemd read its units again"
        case EnableUnit(name=name, runtime=runtime):
            return f"enable {name}" + (" until the next boot" if runtime else "")
        case DisableUnit(name=name):
            return f"disable {name}"
        case StopUnit(name=name):
            return f"stop {name} unless the image has it"
        case CommandUnit(verb=verb, name=name, only_if_changed=on_change):
            return f"{verb} {name}" + (" if its files changed" if on_change else "")
        case RunScript(content=content):
            return f"run a script of {_counted(len(content), 'byte')}"


def _user(action: EnsureUser) -> str:
    groups = f", in {', '.join(action.groups)}" if action.groups else ""
    password = ", set its password" if action.passwd is not None else ""
    return f"make the {'system ' if action.system else ''}user {action.name}{groups}{password}"


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def as_table(action: Action) -> Mapping[str, object]:
    """The action as JSON values: its kind, its origin and what is no secret."""
    kind = type(action).__name__
    words = "".join(f"-{c.lower()}" if c.isupper() else c for c in kind).lstrip("-")
    return {"action": words, "origin": action.origin, "summary": summary(action), **_keys(action)}


def _keys(action: Action) -> Mapping[str, object]:
    if isinstance(action, OfFiles):
        return _keys_of_files(action)
    match action:
        case AuthorizeKeys():
            return {"user": action.user, "keys": len(action.keys)}
        case ReloadManager() | RunScript():
            return {}
        case _:
            return {"name": action.name}


def _keys_of_files(action: OfFiles) -> Mapping[str, object]:
    match action:
        case PutFile():
            return {
                "path": action.path,
                "mode": f"{action.mode:04o}",
                "owner": action.owner or "root",
                "size_bytes": len(action.content),
            }
        case LinkFile():
            return {"path": action.path, "target": action.target}
        case RemoveFile():
            return {"path": action.path}
        case FormatDisk():
            return {"device": action.device, "format": action.format}
