"""The reboot manager's settings: fragments, the environment, and flags.

Fragments lie in ``/etc/locksmith/config.d``, and below ``/usr/lib`` and ``/run``;
the environment is the one of 2014 (``LOCKSMITHCTL_...``), and a flag wins over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from locksmith.core.guards import Strategy

DEFAULT_ENDPOINTS = ("http://127.0.0.1:2379", "http://127.0.0.1:4001")


@dataclass(frozen=True, slots=True)
class EtcdSettings:
    """Where the group's store is.

    Attributes:
        endpoints: addresses of etcd's members. None: a file of this machine, unless the
            strategy is ``etcd-lock``, which means etcd on this machine.
        ca_file: certificates that vouch for the servers.
        cert_file: certificate of this machine.
        key_file: its key.
        username: or empty.
        password: or empty; a file with it should be readable by root alone.
    """

    endpoints: tuple[str, ...] = ()
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RebootSettings:
    """How this machine reboots.

    Attributes:
        strategy: who says when it may.
        group: machines that share places; empty for the default group.
    """

    strategy: Strategy = Strategy.REBOOT
    group: str = ""


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """When it may reboot.

    Attributes:
        start: ``[Thu ]HH:MM`` or a calendar expression of systemd; empty for always.
        length_s: seconds.
        time_zone: of ``start``; the machine's own if empty.
    """

    start: str = ""
    length_s: int = 0
    time_zone: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it."""

    reboot: RebootSettings = field(default_factory=RebootSettings)
    window: WindowSettings = field(default_factory=WindowSettings)
    etcd: EtcdSettings = field(default_factory=EtcdSettings)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Of etcd; none where the store is a file."""
        if self.etcd.endpoints or self.reboot.strategy is not Strategy.ETCD_LOCK:
            return self.etcd.endpoints
        return DEFAULT_ENDPOINTS


def with_flags(settings: Settings, flags: Mapping[str, tuple[str, ...]]) -> Settings:
    """The settings with flags of 2014 over them.

    Args:
        settings: as configured.
        flags: values by name; an empty one sets nothing, as in 2014.
    """
    etcd = settings.etcd
    endpoints = tuple(
        part.strip() for value in flags.get("endpoint", ()) for part in value.split(",")
    )
    if endpoints := tuple(filter(None, endpoints)):
        etcd = replace(etcd, endpoints=endpoints)

    def over(flag: str, configured: str) -> str:
        return flags.get(flag, ("",))[-1] or configured

    etcd = replace(
        etcd,
        ca_file=over("etcd-cafile", etcd.ca_file),
        cert_file=over("etcd-certfile", etcd.cert_file),
        key_file=over("etcd-keyfile", etcd.key_file),
        username=over("etcd-username", etcd.username),
        password=over("etcd-password", etcd.password),
    )
    reboot = replace(settings.reboot, group=over("group", settings.reboot.group))
    return replace(settings, etcd=etcd, reboot=reboot)
