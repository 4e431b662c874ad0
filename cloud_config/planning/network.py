"""The network by networkd's files, and the time by timesyncd."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cloud_config.document.model import NamedText, Ntp
from cloud_config.planning.actions import CommandUnit, LinkFile
from cloud_config.planning.metadata import Interface
from cloud_config.planning.share import Share, error, generated, total, verbatim
from cloud_config.planning.unitnames import check_network
from osmodel.faults import InvalidInput

NETWORK = "network"
"""Origin of all of networkd's files, from whichever key: they have one restart together."""
TIMESYNCD = "systemd-timesyncd.service"
TIMESYNCD_CONF = "/etc/systemd/timesyncd.conf.d/50-cloud-config.conf"
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?")


def network(items: Sequence[NamedText]) -> Share:
    """Files in /etc/systemd/network, as the document has them."""
    return total(map(_network_file, items))


def _network_file(item: NamedText) -> Share:
    try:
        path = f"/etc/systemd/network/{check_network(item.name)}"
        made = verbatim(path, item.content, NETWORK)
    except InvalidInput as fault:
        return error(f"network.units: {fault}", item.line)
    return Share(units=(made,), restarts=(networkd_restart(),))


def platform_network(interfaces: Sequence[Interface]) -> Share:
    """Files for the interfaces that the platform describes; the document's own go before them."""
    made = [
        generated(
            f"/run/systemd/network/60-platform-{number}.network",
            "platform.network",
            NETWORK,
            match=[(name, value) for name, value in _match(item) if value],
            dhcp="yes" if item.dhcp else "no",
            interface=item,
        )
        for number, item in enumerate(interfaces)
    ]
    return Share(units=tuple(made), restarts=(networkd_restart(),) if made else ())


def _match(item: Interface) -> tuple[tuple[str, str], ...]:
    return (("Name", item.name), ("MACAddress", item.mac))


def networkd_restart() -> CommandUnit:
    """A restart if a file changed: networkd reads them when it starts."""
    return CommandUnit("restart", "systemd-networkd.service", NETWORK, only_if_changed=True)


def time_servers(ntp: Ntp | None) -> Share:
    """Servers for timesyncd; ``enabled: false`` stops and masks it."""
    if ntp is None:
        return Share()
    origin = "ntp"
    if not ntp.enabled:
        mask = LinkFile(f"/etc/systemd/system/{TIMESYNCD}", "/dev/null", origin)
        return Share(units=(mask,), restarts=(CommandUnit("stop", TIMESYNCD, origin),))
    share = Share()
    servers: list[tuple[str, str]] = []
    for name, key, hosts in (
        ("NTP", "servers", ntp.servers),
        ("FallbackNTP", "fallback_servers", ntp.fallback_servers),
    ):
        good = [host for host in hosts if _HOST.fullmatch(host)]
        if len(good) < len(hosts):
            share += error(f"ntp.{key}: what is no host name or address is left out")
        if good:
            servers.append((name, " ".join(good)))
    if servers:
        made = generated(TIMESYNCD_CONF, "timesyncd.conf", origin, servers=servers)
        restart = CommandUnit("try-restart", TIMESYNCD, origin, only_if_changed=True)
        share += Share(files=(made,), restarts=(restart,))
    return share
