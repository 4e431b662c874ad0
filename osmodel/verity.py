"""dm-verity: the superblock, the hash tree and the table line of the kernel.

The tree that ``TreeBuilder`` makes is the one ``veritysetup format`` writes,
byte for byte; a host computes it while it fills a slot, so it is never sent.
Only the one shape the project uses is accepted: format 1, SHA-256, blocks of
4096 bytes for data and hashes.

Source: Linux 6.12, Documentation/admin-guide/device-mapper/verity.rst;
cryptsetup 2.7, lib/verity/verity.c and verity_hash.c.
"""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from osmodel.faults import UntrustedData

if TYPE_CHECKING:
    from hashlib import _Hash

BLOCK = 4096
MAX_SALT = 256
MAX_DATA_BLOCKS = 1 << 32  # 16 TiB; keeps every product below 64 bits

_SECTORS_PER_BLOCK = BLOCK // 512
_DIGEST = 32
_FANOUT = BLOCK // _DIGEST
# magic, version, hash type, UUID, algorithm, data block, hash block, data blocks,
# salt size, padding, salt, padding
_SUPERBLOCK = struct.Struct("<8sII16s32sIIQH6s256s168s")
_MAGIC = b"verity\0\0"
_ALGORITHM = b"sha256".ljust(32, b"\0")


class Superblock(NamedTuple):
    """What the first hash block says about the tree behind it.

    Attributes:
        uuid: 16 bytes.
        data_blocks: blocks of 4096 bytes covered by the tree.
        salt: at most 256 bytes, hashed before each block.
    """

    uuid: bytes
    data_blocks: int
    salt: bytes

    def encode(self) -> bytes:
        """The whole first block of the hash device, 4096 bytes."""
        packed = _SUPERBLOCK.pack(
            _MAGIC, 1, 1, self.uuid, _ALGORITHM, BLOCK, BLOCK, self.data_blocks,
            len(self.salt), b"", self.salt, b"",
        )  # fmt: skip
        return packed.ljust(BLOCK, b"\0")


class VerityTree(NamedTuple):
    """A finished tree.

    Attributes:
        root_hash: 64 hex digits.
        content: every hash block, top level first; belongs right behind the
            superblock, at byte 4096 of the hash device.
    """

    root_hash: str
    content: bytes


def parse_superblock(data: bytes) -> Superblock:
    """Read the first block of a hash device.

    Raises:
        UntrustedData: no superblock, or not of the one shape we make.
    """
    if len(data) < _SUPERBLOCK.size:
        raise UntrustedData(f"verity superblock has {len(data)} bytes of {_SUPERBLOCK.size}")
    magic, version, kind, uuid, algorithm, data_size, hash_size, blocks, salt_size, _, salt, _ = (
        _SUPERBLOCK.unpack_from(data)
    )
    if magic != _MAGIC:
        raise UntrustedData("no verity superblock")
    shape = (version, kind, algorithm, data_size, hash_size)
    if shape != (1, 1, _ALGORITHM, BLOCK, BLOCK):
        raise UntrustedData("verity superblock is not format 1 with sha256 and 4096-byte blocks")
    if not 1 <= blocks <= MAX_DATA_BLOCKS or salt_size > MAX_SALT:
        raise UntrustedData(f"verity superblock has {blocks} blocks and {salt_size} bytes of salt")
    return Superblock(uuid, blocks, salt[:salt_size])


def superblock_for(image: str, data_blocks: int) -> Superblock:
    """The superblock of an image: salt and UUID depend on its name alone."""
    return superblock_with(sha256(b"twinkeel:" + image.encode()).digest(), data_blocks)


def superblock_with(salt: bytes, data_blocks: int) -> Superblock:
    """The superblock of a tree with ``salt``, from which its UUID follows."""
    return Superblock(sha256(salt).digest()[:16], data_blocks, salt)


def level_blocks(data_blocks: int) -> list[int]:
    """Hash blocks of each level, leaves first; empty for a single data block."""
    levels = []
    while data_blocks > 1:
        data_blocks = -(-data_blocks // _FANOUT)
        levels.append(data_blocks)
    return levels


def hash_device_size(data_blocks: int) -> int:
    """Bytes of superblock and tree."""
    return (1 + sum(level_blocks(data_blocks))) * BLOCK


class TreeBuilder:
    """Hashes data as it streams by; keeps 32 bytes for each 4096 it has seen.

    Args:
        salt: hashed before each block.
        data_blocks: how many blocks will be fed, at least 1.
    """

    def __init__(self, salt: bytes, data_blocks: int) -> None:
        assert data_blocks >= 1, "a tree covers at least one block"
        self._salted = sha256(salt)
        self._data_blocks = data_blocks
        self._leaves = bytearray()

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next blocks, in order.

        Args:
            data: a multiple of 4096 bytes; large pieces are faster.
        """
        assert len(data) % BLOCK == 0, "verity data comes in whole blocks"
        self._leaves += _digests(self._salted, data)
        assert len(self._leaves) <= self._data_blocks * _DIGEST, "more blocks than announced"

    def finish(self) -> VerityTree:
        """The tree over everything fed; the builder is used up."""
        assert len(self._leaves) == self._data_blocks * _DIGEST, "fewer blocks than announced"
        levels: list[bytes] = []
        digests = bytes(self._leaves)
        while len(digests) > _DIGEST:
            level = digests + bytes(-len(digests) % BLOCK)
            levels.append(level)
            digests = _digests(self._salted, level)
        return VerityTree(digests.hex(), b"".join(reversed(levels)))


def _digests(salted: _Hash, data: bytes | bytearray | memoryview) -> bytes:
    view = memoryview(data)
    found = []
    for offset in range(0, len(view), BLOCK):
        digest = salted.copy()
        digest.update(view[offset : offset + BLOCK])
        found.append(digest.digest())
    return b"".join(found)


def dm_table(superblock: Superblock, root_hash: str, data: str, hashes: str) -> tuple[int, str]:
    """Length in sectors and parameters of the kernel's ``verity`` target.

    A wrong block panics the kernel: a machine that runs on with a damaged
    root would be neither healthy nor replaced by its other slot.

    Args:
        superblock: of the hash device.
        root_hash: 64 hex digits, from the signed command line.
        data: device with the file system, ``major:minor`` or a path.
        hashes: device with superblock and tree.
    """
    parameters = (
        f"1 {data} {hashes} {BLOCK} {BLOCK} {superblock.data_blocks} 1 sha256 "
        f"{root_hash} {superblock.salt.hex() or '-'} 1 panic_on_corruption"
    )
    return superblock.data_blocks * _SECTORS_PER_BLOCK, parameters
