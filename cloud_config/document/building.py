"""From checked values to the :class:`Document` that is planned from."""

from __future__ import annotations

import re

from cloud_config.document import contents, places
from cloud_config.document.checked import Group, Said
from cloud_config.document.checking import Checker
from cloud_config.document.findings import Level
from cloud_config.document.model import (
    Coreos,
    Document,
    DropIn,
    Filesystem,
    FileToWrite,
    NamedText,
    Ntp,
    Unit,
    User,
)
from cloud_config.document.showing import shown

_MAX_CONTENT = 16 << 20  # bytes of all files together, unpacked
_SUFFIX = re.compile(
    r"\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope"
    r"|network|netdev|link)\Z"
)
_VFAT_LABEL = 11  # characters; a label on ext4 may have 16


def build(said: Group, checker: Checker) -> Document:
    """The document; what cannot be done is left out and noted at ``checker``."""
    ntp = said.group("ntp")
    network, podman = said.group("network"), said.group("podman")
    storage = said.group("storage")
    return Document(
        hostname=said.text("hostname"),
        ssh_authorized_keys=_keys(said),
        manage_etc_hosts=said.text("manage_etc_hosts"),
        users=tuple(_user(user) for user in said.groups("users")),
        write_files=_files(said, checker),
        coreos=_coreos(said.group("coreos"), checker),
        timezone=said.text("timezone"),
        ntp=_ntp(ntp) if ntp else None,
        network=tuple(_named(unit) for unit in network.groups("units")) if network else (),
        quadlets=tuple(_named(unit) for unit in podman.groups("quadlets")) if podman else (),
        filesystems=_filesystems(storage, checker) if storage else (),
    )


def _keys(said: Group) -> tuple[str, ...]:
    """Public keys, one a line; text with a private key in it is noted elsewhere and left out."""
    lines = [
        line.strip()
        for text in said.texts("ssh_authorized_keys")
        if "PRIVATE KEY" not in text
        for line in text.splitlines()
    ]
    return tuple(dict.fromkeys(line for line in lines if line))


def _user(said: Group) -> User:
    return User(
        name=said.text("name"),
        line=said.line,
        passwd=said.optional("passwd") or None,
        ssh_authorized_keys=_keys(said),
        gecos=said.text("gecos"),
        homedir=said.text("homedir"),
        no_create_home=said.flag("no_create_home"),
        primary_group=said.text("primary_group"),
        groups=said.texts("groups"),
        no_user_group=said.flag("no_user_group"),
        system=said.flag("system"),
        no_log_init=said.flag("no_log_init"),
        shell=said.text("shell"),
    )


def _files(said: Group, checker: Checker) -> tuple[FileToWrite, ...]:
    found: list[FileToWrite] = []
    total = 0
    for item in said.all_groups("write_files"):
        content = _content(item, checker)
        objection = places.objection(item.text("path")) if item.text("path") else ""
        if objection:
            level = Level.ERROR if "read-only" in objection else Level.WARNING
            checker.say(item.lines["path"], level, objection)
        if content is None or objection or not item.usable:
            continue
        total += len(content)
        if total > _MAX_CONTENT:
            checker.say(item.line, Level.ERROR, f"files hold more than {_MAX_CONTENT} bytes")
            break
        path = places.real(item.text("path"))
        found.append(FileToWrite(path, item.line, content, _mode(item), item.text("owner")))
    return tuple(found)


def _content(item: Group, checker: Checker) -> bytes | None:
    encoding = item.text("encoding") or item.refused.get("encoding", "")
    said = item.values.get("content")
    content = contents.decoded(said.content if isinstance(said, Said) else b"", encoding)
    if content is None:
        line = item.lines.get("content", item.lines["encoding"])
        checker.say(line, Level.ERROR, f'content cannot be decoded as "{shown(encoding)}"')
    return content


def _mode(item: Group) -> int:
    """The mode; one that was written and not understood may have meant to hide the file."""
    if "permissions" in item.lines and "permissions" not in item.values:
        return 0o600
    return int(item.text("permissions") or "0644", 8)


def _coreos(said: Group | None, checker: Checker) -> Coreos:
    if said is None:
        return Coreos()
    units = [unit for unit in said.groups("units") if _has_suffix(unit, checker)]
    return Coreos(
        update=_options(said, "update"),
        locksmith=_options(said, "locksmith"),
        etcd2=_options(said, "etcd2"),
        fleet=_options(said, "fleet"),
        flannel=_options(said, "flannel"),
        oem=_options(said, "oem"),
        units=tuple(_unit(unit, checker) for unit in units),
        lines=_option_lines(said),
    )


def _option_lines(said: Group) -> dict[str, int]:
    names = ("update", "locksmith", "etcd2", "fleet", "flannel", "oem")
    tables = {name: said.group(name) for name in names}
    return {
        f"coreos.{name}.{key}": line
        for name, table in tables.items()
        if table
        for key, line in table.lines.items()
    }


def _options(said: Group, name: str) -> dict[str, str]:
    group = said.group(name)
    values = group.values if group else {}
    return {key: item.text for key, item in values.items() if isinstance(item, Said) and item.text}


def _has_suffix(unit: Group, checker: Checker) -> bool:
    name = unit.text("name")
    if _SUFFIX.search(name):
        return True
    message = f'unit name "{shown(name)}" has no suffix such as .service and is left out'
    checker.say(unit.lines["name"], Level.WARNING, message)
    return False


def _unit(said: Group, checker: Checker) -> Unit:
    drop_ins = []
    for item in said.groups("drop_ins"):
        name = item.text("name")
        if name.endswith(".conf"):
            drop_ins.append(DropIn(name, item.text("content")))
        else:
            message = f'drop-in name "{shown(name)}" does not end in .conf and is left out'
            checker.say(item.lines["name"], Level.WARNING, message)
    return Unit(
        name=said.text("name"),
        line=said.line,
        content=said.optional("content") or None,
        mask=said.flag("mask"),
        enable=said.flag("enable"),
        runtime=said.flag("runtime"),
        command=said.text("command"),
        drop_ins=tuple(drop_ins),
    )


def _ntp(said: Group) -> Ntp:
    enabled = said.flag("enabled", default=True)
    return Ntp(said.texts("servers"), said.texts("fallback_servers"), enabled)


def _named(said: Group) -> NamedText:
    start = said.flag("start", default=True)
    return NamedText(said.text("name"), said.line, said.text("content"), start)


def _filesystems(said: Group, checker: Checker) -> tuple[Filesystem, ...]:
    found: list[Filesystem] = []
    for item in said.groups("filesystems"):
        path, kind, label = item.text("path"), item.text("format") or "ext4", item.text("label")
        objection = places.mount_objection(path) if path else ""
        if not objection and kind == "vfat" and len(label) > _VFAT_LABEL:
            objection = f'label "{label}" is longer than {_VFAT_LABEL} characters'
        if objection:
            checker.say(item.line, Level.ERROR, objection)
            continue
        where = places.normal(path) if path else ""
        found.append(
            Filesystem(item.text("device"), item.line, kind, label, where, item.texts("options"))
        )
    return tuple(found)
