"""``coreos.units``: unit files, drop-ins, masks, enabling and commands.

Source: coreos-cloudinit f1f0405, initialize/config.go ``processUnits`` and
system/systemd.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cloud_config.document.model import DropIn, Unit
from cloud_config.planning import etcd
from cloud_config.planning.actions import Action, CommandUnit, EnableUnit, LinkFile
from cloud_config.planning.facts import Facts
from cloud_config.planning.network import NETWORK, networkd_restart
from cloud_config.planning.share import Share, error, info, total, verbatim, warning
from cloud_config.planning.unitnames import check_drop_in, check_unit, is_network
from osmodel.faults import InvalidInput

ORIGIN = "coreos.units"


def units(items: Sequence[Unit], facts: Facts) -> Share:
    """All units in the order of the document."""
    return total(_checked(item, facts) for item in items)


def _checked(item: Unit, facts: Facts) -> Share:
    try:
        check_unit(item.name)
    except InvalidInput as fault:
        return error(f"{ORIGIN}: {fault}", item.line)
    successor, remark = _successor(item, facts)
    return remark + _unit(successor)


def _successor(item: Unit, facts: Facts) -> tuple[Unit, Share]:
    """etcd2.service by the name it has in this image, unless the document brings its own."""
    if item.name != etcd.OLD_UNIT or item.content or not facts.has_unit(etcd.UNIT):
        return item, Share()
    remark = info(f"{ORIGIN}: {etcd.OLD_UNIT} is called {etcd.UNIT} here", item.line)
    return replace(item, name=etcd.UNIT), remark


def _unit(item: Unit) -> Share:
    place = f"{'/run' if item.runtime else '/etc'}/systemd/{_folder(item.name)}"
    origin = NETWORK if is_network(item.name) else ORIGIN
    share = _text(item, place, origin) + _drop_ins(item, place, origin)
    if item.mask:
        share += Share(units=(LinkFile(f"{place}/{item.name}", "/dev/null", origin),))
    return share + _enabling(item) + _command(item)


def _text(item: Unit, place: str, origin: str) -> Share:
    if not item.content:
        return Share()
    if item.mask:
        return warning(
            f"{ORIGIN}: {item.name} has content and is masked; the content is not written",
            item.line,
        )
    try:
        return Share(units=(verbatim(f"{place}/{item.name}", item.content, origin),))
    except InvalidInput as fault:
        return error(f"{ORIGIN}: {item.name}: content: {fault}", item.line)


def _drop_ins(item: Unit, place: str, origin: str) -> Share:
    return total(_drop_in(item, drop_in, place, origin) for drop_in in item.drop_ins)


def _drop_in(item: Unit, fragment: DropIn, place: str, origin: str) -> Share:
    if not fragment.content:
        return Share()
    try:
        path = f"{place}/{item.name}.d/{check_drop_in(fragment.name)}"
        return Share(units=(verbatim(path, fragment.content, origin),))
    except InvalidInput as fault:
        return error(f"{ORIGIN}: {item.name}: drop_ins: {fault}", item.line)


def _enabling(item: Unit) -> Share:
    if not item.enable:
        return Share()
    if is_network(item.name):
        return info(f"{ORIGIN}: {item.name} needs no enabling, networkd reads it", item.line)
    if item.mask:
        return warning(f"{ORIGIN}: {item.name} is masked; it is not enabled", item.line)
    return Share(units=(EnableUnit(item.name, item.runtime, ORIGIN),))


def _command(item: Unit) -> Share:
    """The command; networkd is restarted instead for a file of its own."""
    if is_network(item.name):
        return Share(restarts=(networkd_restart(),))
    if not item.command:
        return Share()
    if item.mask and item.command not in {"stop", "try-restart"}:
        return warning(f"{ORIGIN}: {item.name} is masked; {item.command} is not done", item.line)
    command: Action = CommandUnit(item.command, item.name, ORIGIN)
    return Share(commands=(command,))


def _folder(name: str) -> str:
    return "network" if is_network(name) else "system"
