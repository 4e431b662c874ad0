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

    def open(self, url: str, offset: int = 0) -> ByteStream:
        """Start reading ``url`` at ``offset`` bytes.

        Raises:
            InvalidInput: not a location this fetcher can read.
            NotFound: there is no such resource.
            TransientFailure: the other side is down, slow or talks nonsense.
            UntrustedData: the other side leads somewhere it must not.
        """
        ...


def shown(url: str) -> str:
    """``url`` as it may appear in a message: no user, password or query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


class ResumingStream:
    """One resource, read on from where the line broke.

    Gives up after five attempts in a row that brought no byte; each waits
    twice as long as the one before.
    """

    def __init__(self, fetcher: Fetcher, url: str, clock: Clock) -> None:
        self._fetcher = fetcher
        self._url = url
        self._clock = clock
        self._offset = 0
        self._failures = 0
        self._stream: ByteStream | None = self._opened()
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
                    self._stream = self._fetcher.open(self._url, self._offset)
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
                return self._fetcher.open(self._url)
            except TransientFailure as failure:
                self._back_off(failure)

    def _back_off(self, failure: TransientFailure) -> None:
        # A missing file does not come back by asking again.
        if isinstance(failure, NotFound) or self._failures + 1 >= _ATTEMPTS:
            raise failure
        pause = _FIRST_PAUSE * 2**self._failures
        self._failures += 1
        _log.info(
            "resume url=%s offset=%d attempt=%d pause_s=%g reason=%s",
            *(shown(self._url), self._offset, self._failures, pause, failure),
        )
        if hasattr(self, "_stream"):
            self.close()
        self._clock.sleep(pause)
