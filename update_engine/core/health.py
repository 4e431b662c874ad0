"""What the health checks of one boot add up to.

A version on trial reboots when a check fails, so that the loader's counter
falls and the good version comes back. A blessed one stays up and says that it
is unhealthy: rebooting would not bring anything better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

STARTUP = "startup"  # in the place of a check: no verdict at the deadline


class Health(StrEnum):
    """The verdict as status shows it."""

    PENDING = "pending"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class Consequence(StrEnum):
    """What to do about a verdict."""

    PROCEED = "proceed"
    REBOOT = "reboot"
    STAY_UP = "stay-up"


class Moment(StrEnum):
    """When it is asked whether a boot was a stable one."""

    AFTER_A_WHILE = "after ten minutes"
    ORDERLY_END = "at an orderly end"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check that ran.

    Attributes:
        name: file name of the check.
        passed: it ended well and in time.
        message: its last line of output, or what was wrong with it.
    """

    name: str
    passed: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sum of all checks, with the first one that failed."""

    health: Health
    failed: CheckResult | None = None


def verdict(results: Sequence[CheckResult]) -> Verdict:
    """Healthy when every check passed; no checks at all is healthy too."""
    for result in results:
        if not result.passed:
            return Verdict(Health.UNHEALTHY, result)
    return Verdict(Health.HEALTHY)


def consequence(judged: Verdict, *, on_trial: bool) -> Consequence:
    """What follows from a verdict.

    Args:
        judged: the verdict.
        on_trial: the running entry still has a counter.
    """
    if judged.failed is None:
        return Consequence.PROCEED
    return Consequence.REBOOT if on_trial else Consequence.STAY_UP


def is_stable(judged: Verdict, moment: Moment, *, on_trial: bool) -> bool:
    """Whether this boot does not count as a failed one.

    The loader counts a trial, so only a healthy one ends a row of failures. A
    blessed version may lack its network for a week without being at fault; what
    counts against it is a boot that hangs, panics or loses power. A boot that
    hangs comes to no end of its own, but an operator may still end it in order.
    """
    if judged.health is Health.HEALTHY:
        return True
    if on_trial:
        return False
    if moment is Moment.ORDERLY_END:
        return True
    hangs = judged.failed is None or judged.failed.name == STARTUP
    return not hangs
