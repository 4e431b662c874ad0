"""The plan: everything a document asks for, in the order in which it is done.

The order is that of coreos-cloudinit: host name, users, keys, files (the
user's, then generated ones), /etc/environment, networkd's files, units with
their drop-ins, reload, networkd, unit commands. Data disks come first of all
that may lie on them, scripts last.

Source: coreos-cloudinit f1f0405, initialize/config.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloud_config.document.findings import Finding
from cloud_config.document.model import Document
from cloud_config.planning.accounts import login_keys, users
from cloud_config.planning.actions import (
    Action,
    FormatDisk,
    Frequency,
    ReloadManager,
    RunScript,
    SetHostname,
    SetTimezone,
)
from cloud_config.planning.authorities import authorities
from cloud_config.planning.etcd import etcd2
from cloud_config.planning.facts import Facts
from cloud_config.planning.files import (
    environment,
    hosts,
    is_host_name,
    kernel_name,
    oem_release,
    without_overwritten,
    written,
)
from cloud_config.planning.network import network, platform_network, time_servers
from cloud_config.planning.options import Options
from cloud_config.planning.presence import absent
from cloud_config.planning.quadlets import quadlets
from cloud_config.planning.services import flannel, fleet
from cloud_config.planning.share import Share, info, total, warning
from cloud_config.planning.storage import storage
from cloud_config.planning.units import units
from cloud_config.planning.updates import settings

_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, and what cannot be done.

    Attributes:
        actions: in the order of application.
        findings: line 0 where no single line is to blame.
    """

    actions: tuple[Action, ...] = ()
    findings: tuple[Finding, ...] = ()


def plan(document: Document, facts: Facts, scripts: Sequence[bytes] = ()) -> Plan:
    """What makes this machine what ``document`` says.

    Args:
        document: as read; values that could do harm in the place they go to
            are left out with a finding, the rest is planned.
        facts: of this machine.
        scripts: user data that begins with ``#!``, run last.
    """
    facts = facts.with_units(unit.name for unit in document.coreos.units if unit.content)
    names = _names(document, facts)
    disks = storage(document.filesystems, facts.links)
    people = users(document.users) + login_keys(
        document.ssh_authorized_keys, facts.metadata.public_keys
    )
    rest = without_overwritten(_files_and_units(document, facts))
    actions = (
        *names.files,
        *disks.files,
        *people.files,
        *rest.files,
        *rest.units,
        *((ReloadManager(),) if rest.units else ()),
        *dict.fromkeys(rest.restarts),
        *rest.commands,
        *map(RunScript, scripts),
    )
    findings = names.findings + disks.findings + people.findings + rest.findings
    return Plan(actions, (*findings, *absent(document, facts)))


def _names(document: Document, facts: Facts) -> Share:
    """The host name, the platform's if the document has none, and the time zone."""
    share = Share()
    for name, origin in ((document.hostname, "hostname"), (facts.metadata.hostname, "metadata")):
        if is_host_name(short := kernel_name(name)):
            share += Share(files=(SetHostname(short, origin),))
            if short != name:
                share += info(f"{origin}: the kernel takes no name of this length; now {short}")
            break
        if name:
            share += warning(f"{origin}: no name that a machine can have; it is left alone")
    if _ZONE.fullmatch(document.timezone):
        share += Share(files=(SetTimezone(document.timezone),))
    elif document.timezone:
        share += warning("timezone: no name of a zone; it is left alone")
    return share


def _files_and_units(document: Document, facts: Facts) -> Share:
    """Each phase in the order of coreos-cloudinit: the document's own, then what is generated."""
    name = kernel_name(document.hostname or facts.metadata.hostname or facts.hostname)
    coreos = document.coreos

    def options(table: str, values: Mapping[str, str]) -> Options:
        return Options(f"coreos.{table}", values, coreos.lines)

    return total(
        (
            network(document.network),
            platform_network(facts.metadata.interfaces),
            units(coreos.units, facts),
            authorities(document.authorities, facts.image_bundle),
            written(document.write_files),
            oem_release(options("oem", coreos.oem)),
            settings(
                options("update", coreos.update), options("locksmith", coreos.locksmith), facts
            ),
            hosts(document.manage_etc_hosts, name),
            flannel(options("flannel", coreos.flannel), facts),
            etcd2(options("etcd2", coreos.etcd2), coreos.units, facts),
            fleet(options("fleet", coreos.fleet), facts),
            time_servers(document.ntp),
            quadlets(document.quadlets),
            environment(facts.metadata.addresses, facts.environment),
        )
    )


def frequency(action: Action) -> Frequency:
    """When an action is due again.

    The password of :class:`EnsureUser` is once per instance as well, the rest
    of that action is not.
    """
    if isinstance(action, FormatDisk | RunScript):
        return Frequency.ONCE_PER_INSTANCE
    return Frequency.EVERY_BOOT
