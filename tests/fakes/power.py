"""One power supply for every simulated medium of a machine."""

import random
from collections.abc import Callable


class PowerCut(BaseException):
    """Not an ``Exception``: no handler under test may catch it."""


class Power:
    """Counts the operations of all media and fails at one of them.

    Args:
        cut_at: operation number (from 0) during which power fails, or ``None``.
        seed: decides what the media keep of unfinished writes.
    """

    def __init__(self, cut_at: int | None = None, seed: int = 0) -> None:
        self.operations = 0
        self.log: list[str] = []
        self.random = random.Random(seed)
        self._cut_at = cut_at
        self._losing: list[Callable[[], None]] = []

    def on_cut(self, lose: Callable[[], None]) -> None:
        """Have ``lose`` drop a medium's unflushed writes when power fails."""
        self._losing.append(lose)

    def tick(self, what: str) -> None:
        """Count one operation; the cut falls inside the one it is due at."""
        self.log.append(what)
        self.operations += 1
        if self._cut_at is not None and self.operations == self._cut_at + 1:
            for lose in self._losing:
                lose()
            raise PowerCut(what)
