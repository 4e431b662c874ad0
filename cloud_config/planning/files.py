"""Files: the document's own, then those that are made from other keys.

A generated file goes over a file of the document with the same path, as in
coreos-cloudinit, except /etc/environment, where the document's wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from cloud_config.document.model import FileToWrite
from cloud_config.document.places import checked_path
from cloud_config.planning.actions import PutFile
from cloud_config.planning.environmentfiles import merged
from cloud_config.planning.options import Options
from cloud_config.planning.rendering import render
from cloud_config.planning.share import Share, error, generated, total, warning
from osmodel.faults import InvalidInput

ENVIRONMENT = "/etc/environment"
HOSTS = "/etc/hosts"
OEM_RELEASE = "/etc/oem-release"
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_LONGEST_NAME = 64  # bytes, __NEW_UTS_LEN
_OEM_FIELDS = ("id", "version_id", "name", "home_url", "bug_report_url")


def written(items: Sequence[FileToWrite]) -> Share:
    """The files of ``write_files``, each where files may be written."""
    return total(map(_written, items))


def _written(item: FileToWrite) -> Share:
    try:
        path = checked_path(item.path)
    except InvalidInput as fault:
        return error(f"write_files: {fault}", item.line)
    made = PutFile(path, item.content, "write_files", item.permissions, item.owner)
    return Share(files=(made,))


def oem_release(oem: Options) -> Share:
    """/etc/oem-release, if the document names an OEM by its id."""
    kept, complaints = oem.writable()
    if not kept.values.get("id"):
        return complaints
    values = {name: kept.values.get(name, "") for name in _OEM_FIELDS}
    content = render("oem-release", **values)
    return Share(files=(PutFile(OEM_RELEASE, content, oem.name),)) + complaints


def is_host_name(name: str) -> bool:
    """Whether a machine can be called so, with or without domain."""
    return len(name) <= _LONGEST_NAME and _HOST_NAME.fullmatch(name) is not None


def kernel_name(name: str) -> str:
    """The name as the kernel can have it: without its domain if it is too long with it."""
    return name if len(name) <= _LONGEST_NAME else name.partition(".")[0]


def hosts(manage: str, hostname: str) -> Share:
    """/etc/hosts in which this machine's name is this machine."""
    if not manage:
        return Share()
    if manage != "localhost":
        return error("manage_etc_hosts: only localhost is possible")
    if not is_host_name(hostname):
        return warning("manage_etc_hosts: the machine has no name yet; /etc/hosts is left alone")
    return Share(files=(generated(HOSTS, "hosts", "manage_etc_hosts", hostname=hostname),))


def environment(addresses: Mapping[str, str], present: str) -> Share:
    """/etc/environment with this machine's addresses; its other lines stay."""
    if not addresses:
        return Share()
    settings = {f"COREOS_{name.upper()}": address for name, address in addresses.items()}
    try:
        content = merged(present.splitlines(), settings)
    except InvalidInput as fault:
        return error(f"{ENVIRONMENT}: a line of it {fault}; it is left alone")
    return Share(files=(PutFile(ENVIRONMENT, content, "metadata"),))


def without_overwritten(share: Share) -> Share:
    """Each path written once: the last one asked for wins, with a warning."""
    last: dict[str, PutFile] = {}
    for action in share.files:
        if isinstance(action, PutFile):
            # The document's own file has the addresses it wants to have.
            keeps = action.path == ENVIRONMENT and action.path in last
            last[action.path] = last[action.path] if keeps else action
    wins = set(map(id, last.values()))
    lost = [a for a in share.files if isinstance(a, PutFile) and id(a) not in wins]
    files = tuple(a for a in share.files if not isinstance(a, PutFile) or id(a) in wins)
    lost_ones = total(map(_overwritten, lost, (last[action.path] for action in lost)))
    return replace(share, files=files) + lost_ones


def _overwritten(loser: PutFile, winner: PutFile) -> Share:
    return warning(
        f"{loser.path}: written by {loser.origin} and {winner.origin}; {winner.origin} wins"
    )
