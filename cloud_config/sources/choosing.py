"""Which sources to read, in which order, and when. Pure.

What an operator gave to this machine on purpose goes before what its platform
has, and that before what came with its disk. The first user data found counts;
metadata is completed along the way.
"""

from __future__ import annotations

from enum import StrEnum

from cloud_config.sources.detect import Detected
from cloud_config.sources.platforms import Platform, platform_of


class Stage(StrEnum):
    """When a source can be read."""

    LOCAL = "local"
    """Before the network is configured."""

    NETWORK = "network"
    """Once it is."""


class Source(StrEnum):
    """A place for user data or metadata."""

    URL = "url"
    CREDENTIAL = "credential"
    NOCLOUD = "nocloud"
    CONFIG_DRIVE = "config-drive"
    AZURE = "azure"
    DIGITALOCEAN = "digitalocean"
    EC2 = "ec2"
    GCE = "gce"
    HETZNER = "hetzner"
    OPENSTACK = "openstack"
    VMWARE = "vmware"
    BOOT_PARTITION = "boot-partition"
    STATE = "state"
    IMAGE = "image"


_NETWORKED = frozenset(
    {
        Source.URL,
        Source.AZURE,
        Source.DIGITALOCEAN,
        Source.EC2,
        Source.GCE,
        Source.HETZNER,
        Source.OPENSTACK,
    }
)
_BEFORE = (Source.CREDENTIAL, Source.NOCLOUD, Source.CONFIG_DRIVE)
_BEHIND = (Source.BOOT_PARTITION, Source.STATE, Source.IMAGE)


def stage_of(source: Source) -> Stage:
    """When that source can be read."""
    return Stage.NETWORK if source in _NETWORKED else Stage.LOCAL


def sources_of(detected: Detected) -> tuple[Source, ...]:
    """The sources that this machine may have, the most wanted first."""
    asked_for = (Source.URL,) if detected.url else ()
    platform = platform_of(detected.firmware)
    own = () if platform is None else (_source_of(platform),)
    return (*asked_for, *_BEFORE, *own, *_BEHIND)


def _source_of(platform: Platform) -> Source:
    return Source(platform.value)
