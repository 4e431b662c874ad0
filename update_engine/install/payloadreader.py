"""A payload as it streams by: exact reads, and the digest of what was read."""

from __future__ import annotations

from hashlib import sha256
from typing import Protocol

from osmodel.faults import UntrustedData

_PIECE = 1 << 18  # bytes asked for at a time


class Source(Protocol):
    """Where a payload comes from; ``hostio.net.fetch.ByteStream`` fits, and so does a file."""

    def read(self, size: int, /) -> bytes:
        """Return 1 to ``size`` bytes, or none at the end."""
        ...


class PayloadReader:
    """Reads a payload once, from front to back.

    The digest covers what was read with ``exactly``; the signatures, which it
    must not cover, are read with ``uncounted``. All reads share one buffer as
    large as the largest of them, so what one returns is gone at the next.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._sha256 = sha256()
        self._buffer = bytearray()

    @property
    def digest(self) -> bytes:
        """SHA-256 of everything read with ``exactly``."""
        return self._sha256.digest()

    def exactly(self, length: int) -> memoryview:
        """The next ``length`` bytes, valid until the next read.

        Raises:
            UntrustedData: the payload ends before.
        """
        data = self.uncounted(length)
        self._sha256.update(data)
        return data

    def uncounted(self, length: int) -> memoryview:
        """The next ``length`` bytes, which the digest leaves out; valid as above.

        Raises:
            UntrustedData: the payload ends before.
        """
        if length > len(self._buffer):
            self._buffer = bytearray()  # the old one goes before the larger one comes
            self._buffer = bytearray(length)
        view = memoryview(self._buffer)
        at = 0
        while at < length:
            piece = self._source.read(min(length - at, _PIECE))
            if not piece:
                raise UntrustedData(f"payload ends {length - at} bytes early")
            assert len(piece) <= length - at, "a source returned more than it was asked for"
            view[at : at + len(piece)] = piece
            at += len(piece)
        return view[:length]

    def end(self) -> None:
        """Make sure that nothing follows, and free the buffer.

        Raises:
            UntrustedData: something does.
        """
        self._buffer = bytearray()
        if self._source.read(1):
            raise UntrustedData("payload goes on behind its signature")
