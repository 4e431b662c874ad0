"""Data disks: formatted when empty, mounted by a unit.

The mount unit is ordered before local-fs.target, so that what lies on the disk
is there when services start, but it is only wanted: a disk that is gone costs
its own data, not the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloud_config.document.model import Filesystem
from cloud_config.document.places import checked_device, mount_point
from cloud_config.planning.actions import (
    Action,
    CommandUnit,
    EnableUnit,
    FormatDisk,
    PutFile,
    ReloadManager,
)
from cloud_config.planning.share import Share, error, generated, total
from cloud_config.planning.unitnames import from_path, instance
from osmodel.faults import InvalidInput

ORIGIN = "storage.filesystems"
FORMATS = ("ext4", "vfat")


def storage(items: Sequence[Filesystem], links: Mapping[str, str]) -> Share:
    """Formatting, then mounting; all in the first phase, for files may lie on these disks."""
    mounts: dict[str, PutFile] = {}
    disks = total([_disk(item, links, mounts) for item in items])
    return disks + Share(files=_mounting(mounts))


def _disk(item: Filesystem, links: Mapping[str, str], mounts: dict[str, PutFile]) -> Share:
    """The formatting of one disk; its mount goes to ``mounts``, by the name of the unit."""
    try:
        formatting = _formatting(item)
        if item.path:
            where = mount_point(item.path, links)
            name = from_path(where, "mount")
            if name in mounts:
                return error(f"{ORIGIN}: {item.path}: two disks for one place", item.line)
            mounts[name] = _mount(item, name, where)
    except InvalidInput as fault:
        return error(f"{ORIGIN}: {fault}", item.line)
    return Share(files=(formatting,))


def _mounting(mounts: Mapping[str, PutFile]) -> tuple[Action, ...]:
    if not mounts:
        return ()
    enabled = tuple(EnableUnit(name, runtime=False, origin=ORIGIN) for name in mounts)
    # A place inside another one has a longer name of the same beginning.
    started = tuple(CommandUnit("start", name, ORIGIN) for name in sorted(mounts, key=len))
    return (*mounts.values(), *enabled, ReloadManager(ORIGIN), *started)


def _formatting(item: Filesystem) -> FormatDisk:
    if item.format not in FORMATS or not (item.label.isascii() and item.label.isprintable()):
        raise InvalidInput(f"{item.device}: no such file system or label")
    return FormatDisk(checked_device(item.device), item.format, item.label, ORIGIN)


def _mount(item: Filesystem, name: str, where: str) -> PutFile:
    return generated(
        f"/etc/systemd/system/{name}",
        "data.mount",
        ORIGIN,
        description=f"Data disk {item.device}",
        check=instance("systemd-fsck", item.device, "service"),
        what=item.device,
        where=where,
        type=item.format,
        options=",".join(item.options),
    )
