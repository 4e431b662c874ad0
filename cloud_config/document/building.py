"""From checked values to the :class:`Document` that is planned from."""

from __future__ import annotations

import re
from typing import Any

from cloud_config.document import contents, places
from cloud_config.document.budget import Budget, BudgetError
from cloud_config.document.certificates import (
    Certificate,
    NoCertificateError,
    read_certificates,
)
from cloud_config.document.checked import Checked, Table
from cloud_config.document.checking import Checker
from cloud_config.document.findings import Level
from cloud_config.document.keys import Items, Key, Kind, Leaf, keys_of
from cloud_config.document.model import (
    Coreos,
    Document,
    DropIn,
    Filesystem,
    FileToWrite,
    NamedText,
    Ntp,
    Unit,
)
from cloud_config.document.showing import shown
from cloud_config.document.users import User

_SUFFIX = re.compile(
    r"\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope"
    r"|network|netdev|link)\Z"
)
_VFAT_LABEL = 11  # characters; a label on ext4 may have 16


def build(table: Table, checker: Checker, budget: Budget) -> Document:
    """The document; what cannot be done is left out and noted at ``checker``.

    Args:
        table: what passed the checks.
        checker: has the findings so far.
        budget: what may be unpacked; less is left afterwards.
    """
    ntp = table.group("ntp")
    network, podman = table.group("network"), table.group("podman")
    storage = table.group("storage")
    return Document(
        hostname=table.text("hostname"),
        ssh_authorized_keys=_keys(table),
        manage_etc_hosts=table.text("manage_etc_hosts"),
        users=tuple(_user(user) for user in table.groups("users")),
        write_files=_files(table, checker, budget),
        coreos=_coreos(table.group("coreos"), checker),
        timezone=table.text("timezone"),
        ntp=_ntp(ntp) if ntp else None,
        network=tuple(_named(unit) for unit in network.groups("units")) if network else (),
        quadlets=tuple(_named(unit) for unit in podman.groups("quadlets")) if podman else (),
        filesystems=_filesystems(storage, checker) if storage else (),
        authorities=_authorities(table.group("ca_certs"), checker),
    )


def _keys(table: Table) -> tuple[str, ...]:
    """Public keys, one a line; text with a private key in it is noted elsewhere and left out."""
    lines = [
        line.strip()
        for text in table.texts("ssh_authorized_keys")
        if "PRIVATE KEY" not in text
        for line in text.splitlines()
    ]
    return tuple(dict.fromkeys(line for line in lines if line))


def _user(table: Table) -> User:
    """The keys that :class:`User` declares, by the kind of their values."""
    found = {key.name: _of_shape(table, key) for key in keys_of(User)}
    found["ssh_authorized_keys"] = _keys(table)
    return User(line=table.line, **{name: value for name, value in found.items() if value})


def _of_shape(table: Table, key: Key) -> Any:
    match key.shape:
        case Items():
            return table.texts(key.name)
        case Leaf(kind=Kind.FLAG):
            return table.flag(key.name)
        case _:
            return table.text(key.name)


def _files(table: Table, checker: Checker, budget: Budget) -> tuple[FileToWrite, ...]:
    found: list[FileToWrite] = []
    for item in table.all_groups("write_files"):
        try:
            content = _content(item, checker, budget)
        except BudgetError as error:
            checker.note(item.line, Level.ERROR, f"{error}; this file and those below are left out")
            break
        objection = places.objection(item.text("path")) if item.text("path") else ""
        if objection:
            level = Level.ERROR if "read-only" in objection else Level.WARNING
            checker.note(item.lines["path"], level, objection)
        if content is None or objection or not item.usable:
            continue
        path = places.real(item.text("path"))
        found.append(FileToWrite(path, item.line, content, _mode(item), item.text("owner")))
    return tuple(found)


def _content(item: Table, checker: Checker, budget: Budget) -> bytes | None:
    encoding = item.text("encoding") or item.refused.get("encoding", "")
    packed = item.values.get("content")
    written = packed.content if isinstance(packed, Checked) else b""
    content = contents.decoded(written, encoding, budget)
    if content is None:
        line = item.lines.get("content", item.lines["encoding"])
        checker.note(line, Level.ERROR, f'content cannot be decoded as "{shown(encoding)}"')
    return content


def _mode(item: Table) -> int:
    """The mode; one that was written and not understood may have meant to hide the file."""
    if "permissions" in item.lines and "permissions" not in item.values:
        return 0o600
    return int(item.text("permissions") or "0644", 8)


def _coreos(table: Table | None, checker: Checker) -> Coreos:
    if table is None:
        return Coreos()
    units = [unit for unit in table.groups("units") if _has_suffix(unit, checker)]
    return Coreos(
        update=_options(table, "update"),
        locksmith=_options(table, "locksmith"),
        etcd2=_options(table, "etcd2"),
        fleet=_options(table, "fleet"),
        flannel=_options(table, "flannel"),
        oem=_options(table, "oem"),
        units=tuple(_unit(unit, checker) for unit in units),
        lines=_option_lines(table),
    )


def _option_lines(coreos: Table) -> dict[str, int]:
    names = ("update", "locksmith", "etcd2", "fleet", "flannel", "oem")
    tables = {name: coreos.group(name) for name in names}
    return {
        f"coreos.{name}.{key}": line
        for name, table in tables.items()
        if table
        for key, line in table.lines.items()
    }


def _options(table: Table, name: str) -> dict[str, str]:
    group = table.group(name)
    values = group.values.items() if group else ()
    return {key: item.text for key, item in values if isinstance(item, Checked) and item.text}


def _has_suffix(unit: Table, checker: Checker) -> bool:
    name = unit.text("name")
    if _SUFFIX.search(name):
        return True
    message = f'unit name "{shown(name)}" has no suffix such as .service and is left out'
    checker.note(unit.lines["name"], Level.WARNING, message)
    return False


def _unit(table: Table, checker: Checker) -> Unit:
    drop_ins = []
    for item in table.groups("drop_ins"):
        name = item.text("name")
        if name.endswith(".conf"):
            drop_ins.append(DropIn(name, item.text("content")))
        else:
            message = f'drop-in name "{shown(name)}" does not end in .conf and is left out'
            checker.note(item.lines["name"], Level.WARNING, message)
    return Unit(
        name=table.text("name"),
        line=table.line,
        content=table.optional("content") or None,
        mask=table.flag("mask"),
        enable=table.flag("enable"),
        runtime=table.flag("runtime"),
        command=table.text("command"),
        drop_ins=tuple(drop_ins),
    )


def _ntp(table: Table) -> Ntp:
    enabled = table.flag("enabled", default=True)
    return Ntp(table.texts("servers"), table.texts("fallback_servers"), enabled)


def _named(table: Table) -> NamedText:
    start = table.flag("start", default=True)
    return NamedText(table.text("name"), table.line, table.text("content"), start)


def _filesystems(table: Table, checker: Checker) -> tuple[Filesystem, ...]:
    found: list[Filesystem] = []
    for item in table.groups("filesystems"):
        path, kind, label = item.text("path"), item.text("format") or "ext4", item.text("label")
        objection = places.mount_objection(path) if path else ""
        if not objection and kind == "vfat" and len(label) > _VFAT_LABEL:
            objection = f'label "{label}" is longer than {_VFAT_LABEL} characters'
        if objection:
            checker.note(item.line, Level.ERROR, objection)
            continue
        where = places.normal(path) if path else ""
        found.append(
            Filesystem(item.text("device"), item.line, kind, label, where, item.texts("options"))
        )
    return tuple(found)


def _authorities(table: Table | None, checker: Checker) -> tuple[Certificate, ...]:
    if table is None:
        return ()
    if table.flag("remove_defaults"):
        message = "remove_defaults is not done: the image's own authorities stay"
        checker.note(table.lines["remove_defaults"], Level.ERROR, message)
    found: list[Certificate] = []
    for number, item in enumerate(table.items("trusted")):
        try:
            found += read_certificates(item.text)
        except NoCertificateError as error:
            checker.note(item.line, Level.ERROR, f"trusted[{number}] of ca_certs {error}")
    return tuple(found)
