"""Releases small enough to take apart, and payloads made from them in memory.

Nothing here goes through the programs that make real payloads: a test can
build any manifest, sensible or not, and sign it as it likes.
"""

import hashlib
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import zstandard
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from osmodel.payload.layout import BLOCK, Header, blocks
from osmodel.payload.manifest import (
    Extent,
    InstallOperation,
    Manifest,
    OperationType,
    PartitionInfo,
    PartitionUpdate,
    Signature,
    Signatures,
    release_bytes,
)
from osmodel.platforms import Target
from osmodel.release import Release
from osmodel.verity import Superblock, TreeBuilder, VerityTree, hash_device_size, superblock_for
from osmodel.version import Version
from update_engine.repository.keys import Trust

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

EROFS_MAGIC = bytes.fromhex("e2e1f5e0")  # at byte 1024 of the root
PREHASHED = Prehashed(SHA256())
KEYS = tuple(ec.generate_private_key(ec.SECP256R1()) for _ in range(3))


def public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def trust(threshold: int = 2, keys: Sequence[PrivateKey] = KEYS) -> Trust:
    return Trust(threshold, {f"key-{i}": public_pem(key) for i, key in enumerate(keys)})


@dataclass(frozen=True)
class SmallRelease:
    """A root of a few blocks with its tree, and something in place of a UKI."""

    release: Release
    root: bytes
    uki: bytes

    @property
    def superblock(self) -> Superblock:
        return superblock_for(self.release.image, len(self.root) // BLOCK)

    @property
    def tree(self) -> VerityTree:
        return tree_of(self.root, self.superblock)

    @property
    def verity(self) -> bytes:
        """What the hash device holds."""
        return self.superblock.encode() + self.tree.content

    @property
    def verity_size(self) -> int:
        return hash_device_size(len(self.root) // BLOCK)


def tree_of(root: bytes, superblock: Superblock) -> VerityTree:
    builder = TreeBuilder(superblock.salt, superblock.data_blocks)
    builder.feed(root)
    return builder.finish()


def small_release(
    version: str = "1.0.1",
    *,
    root_blocks: int = 24,
    seed: int = 1,
    shared: float = 0.4,
    target: Target = Target(),  # noqa: B008 - immutable
) -> SmallRelease:
    """A release; two of different ``seed`` have about ``shared`` of their blocks in common."""
    common, own = random.Random(0), random.Random(seed)
    root = bytearray()
    for _ in range(root_blocks):
        alike = common.randbytes(BLOCK)
        root += alike if own.random() < shared else own.randbytes(64) * (BLOCK // 64)
    root[1024 : 1024 + len(EROFS_MAGIC)] = EROFS_MAGIC
    root[-BLOCK:] = bytes(BLOCK)
    superblock = superblock_for("minimal", root_blocks)
    return SmallRelease(
        Release(
            "minimal",
            target.architecture,
            target.platform.value,
            Version.parse(version),
            tree_of(bytes(root), superblock).root_hash,
        ),
        bytes(root),
        own.randbytes(2 * BLOCK + 100),
    )


def operation(kind: OperationType, data: bytes, start: int, count: int) -> InstallOperation:
    target = (Extent(start, count),)
    if kind is OperationType.ZERO:
        return InstallOperation(type=kind, dst_extents=target)
    return InstallOperation(
        type=kind,
        data_length=len(data),
        dst_extents=target,
        data_sha256_hash=hashlib.sha256(data).digest(),
    )


def parts_of(small: SmallRelease, step: int = 4) -> tuple[list[PartitionUpdate], bytes]:
    """Partitions with operations of ``step`` blocks, and their data."""
    parts, data = [], bytearray()
    for name, content in (("root", small.root), ("uki", small.uki)):
        padded = content + bytes(-len(content) % BLOCK)
        operations = []
        for start in range(0, len(padded) // BLOCK, step):
            piece = padded[start * BLOCK : (start + step) * BLOCK]
            kind, blob = _encoded(piece, start)
            made = operation(kind, blob, start, len(piece) // BLOCK)
            operations.append(replace(made, data_offset=len(data)) if blob else made)
            data += blob
        info = PartitionInfo(len(content), hashlib.sha256(content).digest())
        parts.append(
            PartitionUpdate(
                partition_name=name, new_partition_info=info, operations=tuple(operations)
            )
        )
    parts[0] = replace(
        parts[0],
        hash_tree_data_extent=Extent(0, blocks(len(small.root))),
        hash_tree_algorithm="sha256",
        hash_tree_salt=small.superblock.salt,
    )
    return parts, bytes(data)


def _encoded(piece: bytes, start: int) -> tuple[OperationType, bytes]:
    if piece == bytes(len(piece)):
        return OperationType.ZERO, b""
    if start % 8:
        return OperationType.REPLACE, piece
    return OperationType.REPLACE_ZSTD, zstandard.ZstdCompressor(1).compress(piece)


def manifest_of(small: SmallRelease) -> tuple[Manifest, bytes]:
    """An unsigned manifest and the data that belongs to it."""
    parts, data = parts_of(small)
    manifest = Manifest(
        block_size=BLOCK,
        minor_version=0,
        partitions=tuple(parts),
        release=release_bytes(small.release),
    )
    return manifest, data


def signature(key: PrivateKey, digest: bytes) -> Signature:
    if isinstance(key, rsa.RSAPrivateKey):
        made = key.sign(digest, padding.PKCS1v15(), PREHASHED)
        return Signature(made, len(made))
    made = key.sign(digest, ec.ECDSA(PREHASHED))
    return Signature(made.ljust(72, b"\0"), len(made))


def signatures(keys: Sequence[PrivateKey], digest: bytes) -> bytes:
    return Signatures(tuple(signature(key, digest) for key in keys)).encode()


@dataclass(frozen=True)
class Signed:
    """A payload cut at its seams."""

    header: bytes
    manifest: bytes
    metadata_signature: bytes
    data: bytes
    payload_signature: bytes

    def __bytes__(self) -> bytes:
        return self.front + self.data + self.payload_signature

    @property
    def front(self) -> bytes:
        return self.header + self.manifest + self.metadata_signature

    @property
    def stream(self) -> io.BytesIO:
        return io.BytesIO(bytes(self))


def sign(manifest: Manifest, data: bytes, keys: Sequence[PrivateKey] = KEYS[:2]) -> Signed:
    size = len(signatures(keys, bytes(32)))
    if manifest.signatures_offset is None:
        manifest = replace(manifest, signatures_offset=len(data))
    encoded = replace(manifest, signatures_size=size).encode()
    header = Header(len(encoded), size).encode()
    metadata_digest = hashlib.sha256(header + encoded).digest()
    payload_digest = hashlib.sha256(header + encoded + data).digest()
    return Signed(
        header,
        encoded,
        signatures(keys, metadata_digest),
        data,
        signatures(keys, payload_digest),
    )


def signed_payload(small: SmallRelease, keys: Sequence[PrivateKey] = KEYS[:2]) -> Signed:
    return sign(*manifest_of(small), keys)


def unsigned(small: SmallRelease) -> bytes:
    """The payload as ``build-image`` writes it."""
    manifest, data = manifest_of(small)
    encoded = manifest.encode()
    return Header(len(encoded), 0).encode() + encoded + data
