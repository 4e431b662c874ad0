"""From the data of one operation to the content it stands for.

Data arrives here only after its hash was checked against the signed manifest,
so no decoder ever sees a byte that the publisher did not sign. The decoders
are limited all the same, in memory and in output: content is exactly as long
as announced or refused.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator

import zstandard

from osmodel.faults import UntrustedData
from osmodel.payload.layout import MAX_DATA
from osmodel.payload.manifest import OperationType
from osmodel.payload.structure import Step

_PIECE = 1 << 18  # bytes handed on at a time where content is made in pieces
_XZ_MEMORY = 20 << 20  # bytes; a dictionary of 16 MiB fits
_ZEROS = bytes(_PIECE)


class Expander:
    """Makes the content of operations, one after the other.

    Window and output of the decoder are allocated once for all of them.
    """

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdDecompressor(max_window_size=MAX_DATA)
        self._buffer = memoryview(bytearray(_PIECE))

    def expand(self, step: Step, data: bytes | memoryview) -> Iterator[memoryview]:
        """The content of one step, in order, ``step.length`` bytes in all.

        Each piece is valid only until the next one is taken.

        Args:
            step: a checked step.
            data: its ``data_length`` bytes, authentic.

        Raises:
            UntrustedData: the data does not decode to exactly that length.
                Some content may have been yielded before.
        """
        made = 0
        for piece in self._pieces(step, data):
            made += len(piece)
            if made > step.length:
                break
            yield memoryview(piece)
        if made != step.length:
            raise UntrustedData(f"operation yields {made} bytes or more, {step.length} announced")

    def _pieces(self, step: Step, data: bytes | memoryview) -> Iterator[bytes | memoryview]:
        match step.kind:
            case OperationType.REPLACE:
                yield data
            case OperationType.ZERO:
                for at in range(0, step.length, _PIECE):
                    yield _ZEROS[: step.length - at]
            case OperationType.REPLACE_ZSTD:
                yield from self._unzstd(data)
            case OperationType.REPLACE_XZ:
                yield from _unxz(data)
            case _:
                raise AssertionError(f"{step.kind} is not part of a full payload")

    def _unzstd(self, data: bytes | memoryview) -> Iterator[memoryview]:
        # One frame is read; what may lie behind it is signed, and of no effect.
        try:
            with self._zstd.stream_reader(data) as reader:
                while count := reader.readinto(self._buffer):
                    yield self._buffer[:count]
        except zstandard.ZstdError as error:
            raise UntrustedData(f"operation is not zstd data: {error}") from error


def _unxz(data: bytes | memoryview) -> Iterator[bytes]:
    try:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        while not decoder.eof:
            if decoder.needs_input and not data:
                raise UntrustedData("operation's xz data ends early")
            yield decoder.decompress(data, _PIECE)
            data = b""
    except lzma.LZMAError as error:
        raise UntrustedData(f"operation is not xz data: {error}") from error
    if decoder.unused_data:
        raise UntrustedData(f"{len(decoder.unused_data)} bytes behind the operation's xz data")
