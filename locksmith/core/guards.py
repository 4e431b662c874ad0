"""What stands between a wanted reboot and the reboot, on this machine alone.

The guards hold whatever the store says: a hostile etcd that gives every host a
place still meets the window, the users' inhibitors, and one reboot in six hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from locksmith.core.effects import Facts, Record
from locksmith.core.window import Window
from osmodel.faults import InvalidInput

_ASK_AGAIN = 60.0  # seconds until inhibitors are looked at again
_LONGEST_SLEEP = 3600.0  # seconds; a clock that jumps must not cost a window


class Strategy(StrEnum):
    """Who says when this machine may reboot."""

    REBOOT = "reboot"
    ETCD_LOCK = "etcd-lock"
    FLEET_LOCK = "fleet-lock"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Plan:
    """How this machine reboots.

    Attributes:
        strategy: who decides.
        window: when it may; ``None`` for always.
        spread_s: with the strategy ``reboot``, the longest random delay.
        min_interval_s: seconds between two reboots of the reboot manager.
        login_delay_s: seconds between the broadcast and the reboot while users are
            logged in.
    """

    strategy: Strategy = Strategy.REBOOT
    window: Window | None = None
    spread_s: int = 600
    min_interval_s: int = 6 * 3600
    login_delay_s: int = 300

    def __post_init__(self) -> None:
        for name in ("spread_s", "min_interval_s", "login_delay_s"):
            if not 0 <= getattr(self, name) <= 7 * 24 * 3600:
                raise InvalidInput(
                    f"{name}: expected 0 to a week in seconds, got {getattr(self, name)}"
                )


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why not at this moment.

    Attributes:
        reason: one sentence without full stop.
        seconds: until it is worth looking again.
        until: seconds since 1970 at which it ends; 0 if not known.
    """

    reason: str
    seconds: float
    until: int = 0


def obstacle(plan: Plan, facts: Facts, record: Record | None) -> Obstacle | None:
    """The first thing that forbids a reboot at this moment."""
    return _too_soon(plan, facts, record) or _window_closed(plan, facts) or _inhibited(facts)


def seconds_left(plan: Plan, facts: Facts) -> float | None:
    """Until the window that is open closes; ``None`` without a window, 0 if it is closed."""
    if plan.window is None:
        return None
    closes = plan.window.closes(facts.now)
    return (closes - facts.now).total_seconds() if closes else 0.0


def _too_soon(plan: Plan, facts: Facts, record: Record | None) -> Obstacle | None:
    if record is None:
        return None
    # A clock that was set back makes the record lie ahead. It cannot be older than
    # this boot then, so the machine's uptime bounds the wait.
    age = facts.now.timestamp() - record.at
    if age < 0:
        age = facts.uptime_s
    left = plan.min_interval_s - age
    if left <= 0:
        return None
    return Obstacle(
        f"the last reboot was {_length(age)} ago, the next comes {_length(left)} from here"
        " at the earliest",
        min(left, _LONGEST_SLEEP),
        int(facts.now.timestamp() + left),
    )


def _window_closed(plan: Plan, facts: Facts) -> Obstacle | None:
    if plan.window is None or plan.window.closes(facts.now) is not None:
        return None
    opens = plan.window.opens(facts.now)
    if opens is None:
        return Obstacle(f"the reboot window {plan.window.text!r} never opens again", _LONGEST_SLEEP)
    left = (opens - facts.now).total_seconds()
    return Obstacle(
        f"the reboot window {plan.window.text!r} is closed",
        min(left, _LONGEST_SLEEP),
        int(opens.timestamp()),
    )


def _inhibited(facts: Facts) -> Obstacle | None:
    if not facts.inhibitors:
        return None
    return Obstacle(f"inhibited by {'; '.join(facts.inhibitors)}", _ASK_AGAIN)


def _length(seconds: float) -> str:
    minutes = round(seconds / 60)
    hours, minutes = divmod(max(minutes, 1), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
