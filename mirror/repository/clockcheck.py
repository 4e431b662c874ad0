"""Whether this machine's clock agrees with what the repository says about time.

Hosts take a signed timestamp as proof that its moment has passed. One that was
signed under a clock 100 days ahead therefore makes them refuse everything that
an honest clock signs in the next 100 days, so a mirror must not sign by a clock
that the repository contradicts:

- earlier than the last signing: either this clock is behind, or that one was ahead;
- later than the expiry of the timestamp: either this clock is ahead, or the
  repository was not refreshed in time.

A clock that is wrong by less than the validity of the timestamp passes, and
does no harm: what an honest clock signs next expires after the wrong moment.
Where a worse one did sign, an expiry never goes back (``signed_by_role``), so
that hosts that saw it accept what follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from mirror.repository.rolefiles import RoleSet, granted
from osmodel.faults import InvalidInput
from osmodel.repository import ISSUED, parse_issued

_TOLERANCE = timedelta(minutes=5)  # clocks of two mirrors need not agree to the second
_FORM = "%Y-%m-%d %H:%M UTC"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A clock and a repository that cannot both be right.

    Attributes:
        text: what contradicts it; a sentence without full stop.
        remedy: what to do, for either case.
    """

    text: str
    remedy: str


def signed_at(current: RoleSet) -> datetime:
    """When the timestamp was signed, by its own words."""
    timestamp = current.timestamp.signed
    stated = parse_issued(timestamp.unrecognized_fields.get(ISSUED))
    if stated is not None:
        return stated
    return timestamp.expires - granted(current.root.signed, timestamp.type)


def contradiction(current: RoleSet, now: datetime) -> Contradiction | None:
    """What in the repository speaks against ``now``, if anything does."""
    signed, expires = signed_at(current), current.timestamp.signed.expires
    if now < signed - _TOLERANCE:
        return Contradiction(
            f"the clock says {now:{_FORM}}, but the repository was signed at {signed:{_FORM}}",
            "set the clock; if it is right, the last signing was under a wrong one:"
            " see `refresh --clock-is-right`",
        )
    if now > expires:
        return Contradiction(
            f"the clock says {now:{_FORM}}, but the timestamp expired at {expires:{_FORM}}:"
            " hosts refuse this repository",
            "set the clock; if it is right, the repository was not refreshed in time:"
            " see `refresh --clock-is-right`",
        )
    return None


def check_clock(current: RoleSet, now: datetime) -> None:
    """Refuse to sign by a clock that the repository contradicts.

    Raises:
        InvalidInput: it does.
    """
    found = contradiction(current, now)
    if found is not None:
        raise InvalidInput(found.text, hint=found.remedy)
