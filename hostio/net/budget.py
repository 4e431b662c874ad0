"""How long a server may keep us waiting, over all connections of one resource.

A time-out that starts again with each byte, each line or each connection can be
drawn out for ever by sending one at a time. So there is one budget for a whole
resource: it begins with a grace, every second of waiting takes from it, and
every byte *of the resource* gives back what it may cost at the least rate, up
to the grace again. Heads, chunk lines, trailers and pauses between connections
only take. A resource of N bytes therefore arrives within
``grace_s + N / least_rate`` seconds of waiting, or is given up.

Time that the reader takes is not held against the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hostio.system.clock import Clock

_OVERHEAD = 1 << 20  # bytes that are not of the resource, before it is looked at
_INSTANT = 0.01  # seconds; a time-out may end that much early
_OVERHEAD_PER_BYTE = 16  # chunks of one byte cost six; no sane server sends even those


@dataclass(frozen=True, slots=True)
class Timeouts:
    """When a server is given up.

    Attributes:
        connect_s: seconds to reach one of its addresses.
        silent_s: seconds without any byte.
        grace_s: seconds of waiting that a resource may cost before its rate counts.
        least_rate: bytes per second at which a resource must come.
    """

    connect_s: float = 15.0
    silent_s: float = 30.0
    grace_s: float = 60.0
    least_rate: float = 8 << 10


USUAL = Timeouts()


class GaveUpError(OSError):
    """The budget is used up; translated to a fault by the adapters."""


class Budget:
    """What is left for one resource.

    Args:
        clock: measures waiting.
        timeouts: when to give up.
    """

    def __init__(self, clock: Clock, timeouts: Timeouts = USUAL) -> None:
        self._clock = clock
        self.timeouts = timeouts
        self._left = timeouts.grace_s
        self._bytes = 0
        self._overhead = 0
        self._restarts = 0

    @property
    def left(self) -> float:
        """Seconds of waiting; 0 or less when it is used up."""
        return self._left

    @property
    def is_used_up(self) -> bool:
        """Whether no further wait is allowed."""
        return self._left < _INSTANT

    def next_wait(self, longest: float | None = None) -> float:
        """Seconds that the next wait may take, at most ``longest``.

        Raises:
            GaveUpError: none.
        """
        if self.is_used_up:
            raise GaveUpError(str(self))
        return min(self._left, self.timeouts.silent_s if longest is None else longest)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Take the time that the block needs.

        Raises:
            GaveUpError: it ended with a time-out, and the budget with it.
        """
        started = self._clock.monotonic()
        try:
            yield
        except TimeoutError as error:
            self._left -= self._clock.monotonic() - started
            started = self._clock.monotonic()
            if self.is_used_up:
                raise GaveUpError(str(self)) from error
            raise
        finally:
            self._left -= self._clock.monotonic() - started

    def count_received(self, count: int) -> None:
        """Bytes came from the network, of the resource or around it.

        Raises:
            GaveUpError: far too many of them are not of the resource.
        """
        self._overhead += count
        if self._overhead > _OVERHEAD + _OVERHEAD_PER_BYTE * self._bytes:
            raise GaveUpError("sends more around the data than data")

    def count_resource(self, count: int) -> None:
        """Some of the bytes that came were of the resource, and new."""
        self._bytes += count
        self._left = min(self._left + count / self.timeouts.least_rate, self.timeouts.grace_s)

    def count_restart(self, most: int) -> None:
        """A connection begins at the first byte again, because it cannot resume.

        Raises:
            GaveUpError: more than ``most`` of them did.
        """
        self._restarts += 1
        if self._restarts > most:
            raise GaveUpError(f"cannot resume, and broke {most} times")

    def __str__(self) -> str:
        return f"slower than {self.timeouts.least_rate:g} bytes per second"
