"""A payload as it streams by: exact reads, and the digest of what was read."""

from __future__ import annotations

from hashlib import sha256
from typing import Protocol

from osmodel.faults import UntrustedData

_PIECE = 1 << 20  # bytes asked for at a time


class Source(Protocol):
    """Where a payload comes from; ``hostio.fetch.ByteStream`` fits, and so does a file."""

    def read(self, size: int, /) -> bytes:
        """Return 1 to ``size`` bytes, or none at the end."""
        ...


class PayloadReader:
    """Reads a payload once, from front to back.

    The digest covers what was read with ``exactly``; the signatures, which it
    must not cover, are read with ``uncounted``.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._sha256 = sha256()

    @property
    def digest(self) -> bytes:
        """SHA-256 of everything read with ``exactly``."""
        return self._sha256.digest()

    def exactly(self, length: int) -> bytes:
        """The next ``length`` bytes.

        Raises:
            UntrustedData: the payload ends before.
        """
        data = self.uncounted(length)
        self._sha256.update(data)
        return data

    def uncounted(self, length: int) -> bytes:
        """The next ``length`` bytes, which the digest leaves out.

        Raises:
            UntrustedData: the payload ends before.
        """
        pieces = []
        missing = length
        while missing:
            piece = self._source.read(min(missing, _PIECE))
            if not piece:
                raise UntrustedData(f"payload ends {missing} bytes early")
            assert len(piece) <= missing, "a source returned more than it was asked for"
            pieces.append(piece)
            missing -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def end(self) -> None:
        """Make sure that nothing follows.

        Raises:
            UntrustedData: something does.
        """
        if self._source.read(1):
            raise UntrustedData("payload goes on behind its signature")
