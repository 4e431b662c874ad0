"""Host name and time zone."""

from __future__ import annotations

from cloud_config.apply.context import CHANGED, UNCHANGED, Done, Run
from cloud_config.apply.files import Access, put_content, put_link
from cloud_config.planning.actions import SetHostname, SetTimezone
from cloud_config.state.report import Outcome
from hostio.files.guardedtree import ROOT
from osmodel.faults import InvalidInput

HOSTNAME = "/etc/hostname"
LOCALTIME = "/etc/localtime"
ZONES = "/usr/share/zoneinfo"


def hostname_content(action: SetHostname) -> bytes:
    """What /etc/hostname is to hold."""
    return f"{action.name}\n".encode(errors="surrogatepass")


def zone_target(action: SetTimezone) -> str:
    """What /etc/localtime is to point at."""
    return f"{ZONES}/{action.name}"


def set_hostname(action: SetHostname, run: Run) -> Done:
    """The kernel first: a name that it refuses is not written down either."""
    renamed = run.world.hostname.current() != action.name
    if renamed:
        run.world.hostname.set(action.name)
    written = put_content(
        HOSTNAME, hostname_content(action), Access(0o644, ROOT), action.origin, run
    )
    return CHANGED if renamed or written.outcome is Outcome.CHANGED else UNCHANGED


def set_timezone(action: SetTimezone, run: Run) -> Done:
    """Link /etc/localtime to the zone.

    Raises:
        InvalidInput: the image has no such zone.
    """
    plain = ".." not in action.name.split("/") and "\0" not in action.name
    if not plain or not action.name or not run.world.image_has(zone_target(action)):
        raise InvalidInput(f"no time zone {action.name!r} in this image")
    return put_link(LOCALTIME, zone_target(action), action.origin, run)
