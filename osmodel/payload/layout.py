"""Where things lie in a payload file, and how large they may be.

Header, manifest, metadata signature, data, payload signature, in this order
and with nothing between or behind them. Two digests are signed: the metadata
digest (header and manifest) lets a machine refuse a foreign payload before it
reads anything else, the payload digest adds the data.

Source: AOSP system/update_engine, payload_consumer/payload_metadata.cc
(android-14.0.0_r50); docs/formats/payload.md.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from osmodel.faults import UntrustedData

BLOCK = 4096
MAX_MANIFEST = 16 << 20  # bytes
MAX_SIGNATURES = 64 << 10  # bytes of one signature blob
MAX_DATA = 16 << 20  # bytes of one operation, as stored and as written
MAX_OFFSET = (1 << 63) - 1

_MAGIC = b"CrAU"
_MAJOR_VERSION = 2
_HEADER = struct.Struct(">4sQQI")
HEADER_SIZE = _HEADER.size


@dataclass(frozen=True, slots=True)
class Header:
    """The first 24 bytes.

    Attributes:
        manifest_size: bytes.
        metadata_signature_size: bytes; 0 while unsigned.
    """

    manifest_size: int
    metadata_signature_size: int

    @property
    def data_start(self) -> int:
        """Where data begins; ``data_offset`` of an operation counts from here."""
        return HEADER_SIZE + self.manifest_size + self.metadata_signature_size

    def encode(self) -> bytes:
        """The bytes in the file."""
        return _HEADER.pack(
            _MAGIC, _MAJOR_VERSION, self.manifest_size, self.metadata_signature_size
        )

    @classmethod
    def parse(cls, data: bytes) -> Header:
        """Read the first ``HEADER_SIZE`` bytes of a file.

        Raises:
            UntrustedData: not a payload, another version, or sizes beyond the
                limits of this module.
        """
        if len(data) != HEADER_SIZE:
            raise UntrustedData(f"payload header has {len(data)} bytes of {HEADER_SIZE}")
        magic, version, manifest_size, signature_size = _HEADER.unpack(data)
        if magic != _MAGIC:
            raise UntrustedData(f"not a payload: starts with {magic!r}")
        if version != _MAJOR_VERSION:
            raise UntrustedData(f"payload version {version}, only {_MAJOR_VERSION} is read")
        if not 0 < manifest_size <= MAX_MANIFEST:
            raise UntrustedData(f"manifest of {manifest_size} bytes, at most {MAX_MANIFEST}")
        if signature_size > MAX_SIGNATURES:
            raise UntrustedData(
                f"metadata signature of {signature_size} bytes, at most {MAX_SIGNATURES}"
            )
        return cls(manifest_size, signature_size)


def blocks(size: int) -> int:
    """Blocks that hold ``size`` bytes."""
    return -(-size // BLOCK)
