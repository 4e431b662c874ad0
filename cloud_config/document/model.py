"""A ``#cloud-config`` document as values that passed the checks.

Everything optional is empty rather than missing, ``None`` where "not said" and
"empty" differ. ``line`` is where the item begins in the document, so that a
later stage can still name it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloud_config.document.certificates import Certificate
from cloud_config.document.users import User


@dataclass(frozen=True, slots=True)
class FileToWrite:
    """One item of ``write_files``, its content decoded.

    Attributes:
        path: absolute, without ``..``.
        permissions: mode bits.
        owner: ``user``, ``user:group`` or ``uid:gid``; empty for root.
    """

    path: str
    line: int
    content: bytes = field(default=b"", repr=False)
    permissions: int = 0o644
    owner: str = ""


@dataclass(frozen=True, slots=True)
class DropIn:
    """A fragment of a unit: a name ending in ``.conf`` and its text."""

    name: str
    content: str


@dataclass(frozen=True, slots=True)
class Unit:
    """One item of ``coreos.units``, also networkd units.

    Attributes:
        command: ``start``, ``stop``, ``restart``, ... or empty.
        content: ``None`` if the document brings no text of its own.
    """

    name: str
    line: int
    content: str | None = None
    mask: bool = False
    enable: bool = False
    runtime: bool = False
    command: str = ""
    drop_ins: tuple[DropIn, ...] = ()


@dataclass(frozen=True, slots=True)
class Coreos:
    """The ``coreos`` table; the mappings have underscored keys and checked values.

    Attributes:
        lines: of their keys in the document, by names such as ``coreos.etcd2.name``.
    """

    update: Mapping[str, str] = field(default_factory=dict)
    locksmith: Mapping[str, str] = field(default_factory=dict)
    etcd2: Mapping[str, str] = field(default_factory=dict)
    fleet: Mapping[str, str] = field(default_factory=dict)
    flannel: Mapping[str, str] = field(default_factory=dict)
    oem: Mapping[str, str] = field(default_factory=dict)
    units: tuple[Unit, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NamedText:
    """A file of a known place: a networkd unit or a quadlet.

    Attributes:
        name: file name with its suffix, no slash.
        start: quadlets only: whether the generated service is started now.
    """

    name: str
    line: int
    content: str
    start: bool = True


@dataclass(frozen=True, slots=True)
class Filesystem:
    """One item of ``storage.filesystems``: a data disk, made only when it is empty.

    Attributes:
        device: ``/dev/disk/by-...`` or another node below ``/dev``.
        path: where it is mounted; empty for not at all.
        options: of the mount.
    """

    device: str
    line: int
    format: str = "ext4"
    label: str = ""
    path: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ntp:
    """Time servers; ``None`` of the whole table leaves the image's."""

    servers: tuple[str, ...] = ()
    fallback_servers: tuple[str, ...] = ()
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Document:
    """A whole ``#cloud-config``."""

    hostname: str = ""
    ssh_authorized_keys: tuple[str, ...] = ()
    manage_etc_hosts: str = ""
    users: tuple[User, ...] = ()
    write_files: tuple[FileToWrite, ...] = ()
    coreos: Coreos = field(default_factory=Coreos)
    timezone: str = ""
    ntp: Ntp | None = None
    network: tuple[NamedText, ...] = ()
    quadlets: tuple[NamedText, ...] = ()
    filesystems: tuple[Filesystem, ...] = ()
    authorities: tuple[Certificate, ...] = ()
