"""The records of a payload: what is in it, where it goes, who signed it.

Field names and numbers are those of update_metadata.proto, so its readers
understand ours. One field is our own: ``release`` (1000) holds the identity of
the release as canonical JSON, and is thereby covered by the metadata
signature. Records that only deltas or Android partitions need are not declared;
they are skipped when met.

Source: AOSP system/update_engine, update_metadata.proto (android-14.0.0_r50);
docs/formats/payload.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum

from osmodel.faults import InvalidInput, UntrustedData
from osmodel.payload.message import Form, decode, encode, field_of
from osmodel.release import Release, release_from_json, release_to_json


class OperationType(IntEnum):
    """The operations we write or read; other numbers exist."""

    REPLACE = 0
    SOURCE_COPY = 4
    SOURCE_BSDIFF = 5
    ZERO = 6
    REPLACE_XZ = 8
    REPLACE_ZSTD = 14


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of blocks."""

    start_block: int | None = field_of(1, Form.NUMBER)
    num_blocks: int | None = field_of(2, Form.NUMBER)


@dataclass(frozen=True, slots=True)
class InstallOperation:
    """One step: bytes of the payload become blocks of a partition.

    Attributes:
        type: an ``OperationType``, or a number we do not know.
        data_offset: bytes behind the metadata signature.
        data_length: bytes of the payload.
        src_extents: what is read of the old partition.
        dst_extents: what is written.
        data_sha256_hash: of the payload bytes as they lie in the file.
        src_sha256_hash: of the source extents, joined.
    """

    type: int | None = field_of(1, Form.NUMBER)
    data_offset: int | None = field_of(2, Form.NUMBER)
    data_length: int | None = field_of(3, Form.NUMBER)
    src_extents: tuple[Extent, ...] = field_of(4, Form.RECORDS, Extent)
    src_length: int | None = field_of(5, Form.NUMBER)
    dst_extents: tuple[Extent, ...] = field_of(6, Form.RECORDS, Extent)
    dst_length: int | None = field_of(7, Form.NUMBER)
    data_sha256_hash: bytes | None = field_of(8, Form.BYTES)
    src_sha256_hash: bytes | None = field_of(9, Form.BYTES)


@dataclass(frozen=True, slots=True)
class PartitionInfo:
    """Content of a partition: its first ``size`` bytes have SHA-256 ``hash``."""

    size: int | None = field_of(1, Form.NUMBER)
    hash: bytes | None = field_of(2, Form.BYTES)


@dataclass(frozen=True, slots=True)
class PartitionUpdate:
    """How one partition gets its new content.

    Attributes:
        partition_name: ``root`` or ``uki``.
        old_partition_info: what a delta starts from.
        new_partition_info: what must be there afterwards.
        operations: in order.
        hash_tree_data_extent: blocks covered by the verity tree.
        hash_tree_extent: where the tree goes in the same partition; unused.
        hash_tree_algorithm: ``sha256``.
        hash_tree_salt: hashed before each block.
        version: of the content, for people.
    """

    partition_name: str | None = field_of(1, Form.TEXT)
    old_partition_info: PartitionInfo | None = field_of(6, Form.RECORD, PartitionInfo)
    new_partition_info: PartitionInfo | None = field_of(7, Form.RECORD, PartitionInfo)
    operations: tuple[InstallOperation, ...] = field_of(8, Form.RECORDS, InstallOperation)
    hash_tree_data_extent: Extent | None = field_of(10, Form.RECORD, Extent)
    hash_tree_extent: Extent | None = field_of(11, Form.RECORD, Extent)
    hash_tree_algorithm: str | None = field_of(12, Form.TEXT)
    hash_tree_salt: bytes | None = field_of(13, Form.BYTES)
    version: str | None = field_of(17, Form.TEXT)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The DeltaArchiveManifest.

    Attributes:
        block_size: bytes; always 4096.
        signatures_offset: where the payload signature lies, in bytes behind
            the metadata signature; absent while unsigned.
        signatures_size: bytes of the payload signature.
        minor_version: 0 for a full payload, or the kind of delta.
        partitions: in the order their bytes come.
        max_timestamp: seconds since 1970; 0 or absent means no limit.
        release: canonical JSON of the release.
    """

    block_size: int | None = field_of(3, Form.NUMBER)
    signatures_offset: int | None = field_of(4, Form.NUMBER)
    signatures_size: int | None = field_of(5, Form.NUMBER)
    minor_version: int | None = field_of(12, Form.NUMBER)
    partitions: tuple[PartitionUpdate, ...] = field_of(13, Form.RECORDS, PartitionUpdate)
    max_timestamp: int | None = field_of(14, Form.NUMBER)
    release: bytes | None = field_of(1000, Form.BYTES)

    def encode(self) -> bytes:
        """The bytes in the file."""
        return encode(self)

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Read the bytes; says nothing about whether they make sense.

        Raises:
            UntrustedData: malformed.
        """
        return decode(cls, data)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature; nothing says by which key.

    Attributes:
        data: padded with zeros to the longest a key of its kind makes.
        unpadded_signature_size: bytes of ``data`` that count; all if absent.
    """

    data: bytes | None = field_of(2, Form.BYTES)
    unpadded_signature_size: int | None = field_of(3, Form.FIXED32)


@dataclass(frozen=True, slots=True)
class Signatures:
    """All signatures over one digest."""

    signatures: tuple[Signature, ...] = field_of(1, Form.RECORDS, Signature)

    def encode(self) -> bytes:
        """The bytes in the file."""
        return encode(self)

    @classmethod
    def parse(cls, data: bytes) -> Signatures:
        """Read the bytes, which must be exactly what ``encode`` makes.

        Nothing signs these bytes, so there must be no room in them for
        anything but signatures.

        Raises:
            UntrustedData: malformed, or not in the one accepted encoding.
        """
        found = decode(cls, data)
        if found.encode() != data:
            raise UntrustedData("signatures are not in their canonical encoding")
        return found


def release_bytes(release: Release) -> bytes:
    """The identity field of a manifest: sorted, compact, ASCII JSON."""
    fields = release_to_json(release)
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode("ascii")


def release_of(manifest: Manifest) -> Release:
    """The release a payload claims to be.

    Raises:
        UntrustedData: absent or malformed.
    """
    if manifest.release is None:
        raise UntrustedData("payload does not say which release it is")
    try:
        fields = json.loads(manifest.release)
        if not isinstance(fields, dict):
            raise UntrustedData("release in the payload is not a JSON object")
        return release_from_json(fields)
    except (ValueError, RecursionError, InvalidInput) as error:
        raise UntrustedData(f"release in the payload: {error}") from error
