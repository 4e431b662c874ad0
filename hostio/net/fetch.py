"""Reading bytes from a server: the port, and resuming over a bad line.

Nothing read through here is trusted. The adapters promise only to end: every
wait has a deadline, a server that drips is given up, and the reader decides
how many bytes it wants. Whether they are the right ones is decided by hashes
and signatures above.

The adapters are ``hostio.net.httpfetch`` and ``hostio.net.directoryfetch``;
``hostio.net.locations`` chooses between them.
"""

from __future__ import annotations

import logging
from typing import Protocol, Self
from urllib.parse import urlsplit

from hostio.net.budget import USUAL, Budget, Timeouts
from hostio.system.clock import Clock
from osmodel.faults import TransientFailure

_log = logging.getLogger(__name__)

_ATTEMPTS = 5  # in a row without one more byte
_FIRST_PAUSE = 1.0  # seconds; doubled at each attempt


class NotFound(TransientFailure):
    """The server has no such file, or none for us.

    A kind of its own because the end of a numbered chain of files is found by
    asking for the next one.
    """


class Refused(NotFound):
    """The server says that we may not have it; object stores say so of what they lack."""


class ByteStream(Protocol):
    """Bytes in order; closed when done."""

    @property
    def total(self) -> int | None:
        """Size of the whole resource in bytes, if the sender claims one."""
        ...

    def read(self, size: int) -> bytes:
        """Return 1 to ``size`` bytes, or none at the end.

        Raises:
            TransientFailure: the line broke, the sender is too slow, or it
                ended before the size it claimed.
            UntrustedData: the bytes are not what was promised.
        """
        ...

    def close(self) -> None:
        """Give the connection or file back; may be called twice."""
        ...


class Fetcher(Protocol):
    """Port for opening a resource; the fake is ``tests.fakes.fetcher``."""

    def open(self, url: str, offset: int = 0, budget: Budget | None = None) -> ByteStream:
        """Start reading ``url`` at ``offset`` bytes.

        Args:
            url: what to read.
            offset: bytes to leave out.
            budget: how long a server may keep us waiting, over all openings of
                this resource; the fetcher's own for one opening if there is none.

        Raises:
            InvalidInput: not a location this fetcher can read.
            NotFound: there is no such resource.
            TransientFailure: the other side is down, slow or talks nonsense.
            UntrustedData: the other side leads somewhere it must not.
        """
        ...


def shown(url: str) -> str:
    """``url`` as it may appear in a message: no user, password or query, one line."""
    try:
        parts = urlsplit(url)
    except ValueError:
        # Broken brackets; what cannot be taken apart may hold anything.
        return "(an address that cannot be read)"
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return plain if plain.isprintable() else repr(plain)[1:-1]


class ResumingStream:
    """One resource, read on from where the line broke.

    Gives up after five attempts in a row that brought no byte, each after a
    pause twice as long as the one before, and when the budget for the whole
    resource is used up, from which pauses are taken as well.

    Args:
        fetcher: opens it, as often as needed.
        url: what to read.
        clock: for pauses.
        timeouts: how long the server may keep us waiting.
    """

    def __init__(
        self, fetcher: Fetcher, url: str, clock: Clock, timeouts: Timeouts = USUAL
    ) -> None:
        self._fetcher = fetcher
        self._url = url
        self._clock = clock
        self._offset = 0
        self._failures = 0
        self._budget = Budget(clock, timeouts)
        self._stream: ByteStream | None = None
        self._stream = self._opened()
        self._total = self._stream.total

    @property
    def total(self) -> int | None:
        """Size claimed at the first opening."""
        return self._total

    def read(self, size: int) -> bytes:
        """See :meth:`ByteStream.read`."""
        while True:
            try:
                if self._stream is None:
                    self._stream = self._fetcher.open(self._url, self._offset, self._budget)
                data = self._stream.read(size)
            except TransientFailure as failure:
                self._back_off(failure)
                continue
            self._offset += len(data)
            if data:
                self._failures = 0
            return data

    def close(self) -> None:
        """See :meth:`ByteStream.close`."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def _opened(self) -> ByteStream:
        while True:
            try:
                return self._fetcher.open(self._url, 0, self._budget)
            except TransientFailure as failure:
                self._back_off(failure)

    def _back_off(self, failure: TransientFailure) -> None:
        # A missing file does not come back by asking again.
        pause = _FIRST_PAUSE * 2**self._failures
        is_last = self._failures + 1 >= _ATTEMPTS or self._budget.left <= pause
        if isinstance(failure, NotFound) or is_last:
            raise failure
        self._failures += 1
        _log.info(
            "resume url=%s offset=%d attempt=%d pause_s=%g reason=%s",
            *(shown(self._url), self._offset, self._failures, pause, failure),
        )
        self.close()
        with self._budget.waiting():
            self._clock.sleep(pause)
