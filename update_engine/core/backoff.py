"""How long to wait after failures; pure, so its bounds can be tested."""

from __future__ import annotations

FIRST_RETRY = 15.0  # seconds between attempts within one run
_FIRST = 15 * 60  # seconds until the next scheduled run after one failure
LONGEST_BACK_OFF = 4 * 3600


def seconds_before_retry(attempt: int) -> float:
    """The pause after the ``attempt``-th failure (from 1) within one run."""
    return FIRST_RETRY * 4.0 ** (attempt - 1)


def seconds_before_next_run(failures: int) -> int:
    """How long scheduled runs hold still after ``failures`` in a row (from 1).

    The timer adds its own jitter, so a fleet does not come back at once.
    """
    # The exponent is bounded: a machine that is off line for months must not
    # compute a number with a million digits.
    return min(_FIRST << min(failures - 1, 10), LONGEST_BACK_OFF)
