"""How long to wait: after failures, before a reboot, behind others; pure."""

from __future__ import annotations

_SHORTEST = 5.0  # seconds
_LONGEST = 300.0
_NEAR = 12  # waiters ahead up to which each one counts in full
_FURTHER = 4  # beyond, so many count as one


def seconds_before_retry(attempt: int, luck: float) -> float:
    """The pause after the ``attempt``-th failure in a row (from 1): 5 s up to 5 min.

    Args:
        attempt: from 1.
        luck: 0 <= luck < 1, drawn anew each time, so that a fleet that lost its
            etcd at one moment does not come back at one moment.
    """
    longest = min(2 * _SHORTEST * 2.0 ** min(attempt - 1, 10), _LONGEST)
    return longest * (0.5 + luck / 2)


def seconds_before_look(ahead: int, luck: float) -> float:
    """How long a waiting host sleeps at most before it looks at the queue again.

    It is woken earlier when the host before it leaves the queue; looking by
    itself only helps against hosts that died while waiting. The pause grows with
    the number of hosts ahead, so that the operations per host do not.

    Args:
        ahead: hosts before this one.
        luck: as above.
    """
    counted = min(ahead, _NEAR) + max(ahead - _NEAR, 0) / _FURTHER
    return _LONGEST * max(counted, 1.0) * (0.75 + luck / 2)


def spread_delay(spread_s: float, window_left: float | None, luck: float) -> float:
    """A share of ``spread_s``; within a window at most four fifths of what is left of it."""
    longest = spread_s if window_left is None else min(spread_s, 0.8 * window_left)
    return longest * luck
