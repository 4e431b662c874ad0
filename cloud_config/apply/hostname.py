"""Host name and time zone."""

from __future__ import annotations

from cloud_config.apply.context import CHANGED, UNCHANGED, Context, Done
from cloud_config.apply.files import Access, put_content, put_link
from cloud_config.planning.actions import SetHostname, SetTimezone
from cloud_config.planning.footprint import HOSTNAME, LOCALTIME, hostname_content, zone_target
from cloud_config.state.report import Outcome
from hostio.files.guardedtree import ROOT
from osmodel.faults import InvalidInput


def set_hostname(action: SetHostname, context: Context) -> Done:
    """The kernel first: a name that it refuses is not written down either."""
    renamed = context.world.hostname.current() != action.name
    if renamed:
        context.world.hostname.set(action.name)
    written = put_content(
        HOSTNAME, hostname_content(action), Access(0o644, ROOT), action.origin, context
    )
    return CHANGED if renamed or written.outcome is Outcome.CHANGED else UNCHANGED


def set_timezone(action: SetTimezone, context: Context) -> Done:
    """Link /etc/localtime to the zone.

    Raises:
        InvalidInput: the image has no such zone.
    """
    plain = ".." not in action.name.split("/") and "\0" not in action.name
    if not plain or not action.name or not context.world.image_has(zone_target(action)):
        raise InvalidInput(f"no time zone {action.name!r} in this image")
    return put_link(LOCALTIME, zone_target(action), action.origin, context)
