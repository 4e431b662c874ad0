"""End a program in order when its service manager asks for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(BaseException):
    """SIGTERM arrived; not an ``Exception``, so that no retry can swallow it."""


@contextmanager
def terminated_by_signal() -> Iterator[None]:
    """Turn the first SIGTERM into :class:`Terminated`; later ones end the process at once."""

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        signal.signal(number, signal.SIG_DFL)
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
