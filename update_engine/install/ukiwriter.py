"""Stream the unified kernel image into a file, to its exact size and digest."""

from __future__ import annotations

import hashlib
from typing import Protocol

from osmodel.faults import UntrustedData
from osmodel.payload.structure import Content


class UkiSink(Protocol):
    """Where the image goes; ``hostio.disk.esp.StagedFile`` fits."""

    def write(self, data: bytes, /) -> object:
        """Append ``data``; what it returns does not matter."""
        ...


class UkiWriter:
    """Appends content to a sink, without the zeros that fill the last block.

    Args:
        sink: empty.
        content: size and digest that are wanted.

    Attributes:
        size: bytes written so far.
    """

    def __init__(self, sink: UkiSink, content: Content) -> None:
        self.size = 0
        self._sink = sink
        self._content = content
        self._sha256 = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Digest of what was written, 64 hex digits."""
        return self._sha256.hexdigest()

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Append ``data``.

        Args:
            offset: where it belongs; steps come in order, so this is the end.
            data: whole blocks.

        Raises:
            UntrustedData: what fills the last block is not zero.
            HostFailure: the sink refused.
        """
        kept = bytes(data[: max(self._content.size - offset, 0)])
        if any(data[len(kept) :]):
            raise UntrustedData("uki: content goes on behind its size")
        self._sha256.update(kept)
        self._sink.write(kept)
        self.size += len(kept)

    def finish(self) -> None:
        """Compare the digest of everything written.

        Raises:
            UntrustedData: not the one in the manifest.
        """
        if self._sha256.digest() != self._content.sha256:
            raise UntrustedData(
                f"uki has sha256 {self.sha256}, wanted {self._content.sha256.hex()}"
            )
