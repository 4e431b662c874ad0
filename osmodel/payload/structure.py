"""From an authentic manifest to steps a machine may carry out.

A signature says who made a manifest, not that it makes sense, and a slot is
lost once writing has begun. So everything that can be known beforehand is
checked here: every block of both partitions is written exactly once, data lies
in the order it is used and without gaps, no length is beyond the declared
limits, and only operations of a full payload occur.
"""

from __future__ import annotations

from dataclasses import dataclass

from osmodel.faults import UntrustedData
from osmodel.payload.layout import BLOCK, MAX_DATA, MAX_OFFSET, MAX_SIGNATURES, blocks
from osmodel.payload.manifest import InstallOperation, Manifest, OperationType, PartitionUpdate

ROOT = "root"
UKI = "uki"

_FULL = 0  # minor version
_MAX_SALT = 256  # bytes, as in the verity superblock
_DIGEST = 32
_WITH_DATA = frozenset(
    {OperationType.REPLACE, OperationType.REPLACE_XZ, OperationType.REPLACE_ZSTD}
)


@dataclass(frozen=True, slots=True)
class Step:
    """One operation, in bytes.

    Attributes:
        kind: how data becomes content.
        offset: where the content goes, in bytes from the start of the partition.
        length: bytes of content; a multiple of 4096.
        data_length: bytes taken from the payload; 0 for ``ZERO``.
        data_sha256: digest of those bytes; empty for ``ZERO``.
    """

    kind: OperationType
    offset: int
    length: int
    data_length: int
    data_sha256: bytes


@dataclass(frozen=True, slots=True)
class Content:
    """What one partition will hold.

    Attributes:
        name: ``root`` or ``uki``.
        size: bytes; the last block may reach beyond it with zeros.
        sha256: digest of the first ``size`` bytes.
        steps: in the order of their data.
    """

    name: str
    size: int
    sha256: bytes
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole payload.

    Attributes:
        contents: ``root`` and ``uki``, in the order of their data.
        salt: of the verity tree over ``root``.
        data_size: bytes of data, up to the payload signature.
        signatures_size: bytes of the payload signature.
    """

    contents: tuple[Content, ...]
    salt: bytes
    data_size: int
    signatures_size: int

    def content(self, name: str) -> Content:
        """The content of one partition, ``root`` or ``uki``."""
        return next(content for content in self.contents if content.name == name)


def plan_of(manifest: Manifest) -> Plan:
    """The steps of a full payload.

    Raises:
        UntrustedData: the manifest is not one this machine can carry out
            completely; the message names the first reason.
    """
    if manifest.block_size != BLOCK:
        raise UntrustedData(f"block size {manifest.block_size}, only {BLOCK} is read")
    if manifest.minor_version not in {None, _FULL}:
        raise UntrustedData(f"minor version {manifest.minor_version}, only full payloads are read")
    names = [part.partition_name for part in manifest.partitions]
    if sorted(name or "" for name in names) != [ROOT, UKI]:
        raise UntrustedData(f"partitions {names!r:.80}, not one {ROOT} and one {UKI}")
    contents = []
    position = 0
    for part in manifest.partitions:
        content = _content(part, position)
        contents.append(content)
        position += sum(step.data_length for step in content.steps)
    size = manifest.signatures_size or 0
    if manifest.signatures_offset != position:
        raise UntrustedData(f"data ends at {position}, signed up to {manifest.signatures_offset}")
    if not 0 < size <= MAX_SIGNATURES:
        raise UntrustedData(f"payload signature of {size} bytes, at most {MAX_SIGNATURES}")
    root = next(part for part in manifest.partitions if part.partition_name == ROOT)
    return Plan(tuple(contents), _salt(root), position, size)


def _content(part: PartitionUpdate, position: int) -> Content:
    name = part.partition_name or ""
    new = part.new_partition_info
    if new is None or new.size is None or new.hash is None or len(new.hash) != _DIGEST:
        raise UntrustedData(f"{name}: size or hash of the new content is missing")
    if not 0 < new.size <= MAX_OFFSET - BLOCK:
        raise UntrustedData(f"{name}: size of {new.size} bytes")
    if name == ROOT and new.size % BLOCK:
        raise UntrustedData(f"{name}: {new.size} bytes are no whole number of blocks")
    steps = []
    for operation in part.operations:
        step = _step(name, operation, position)
        steps.append(step)
        position += step.data_length
    _check_coverage(name, steps, blocks(new.size) * BLOCK)
    return Content(name, new.size, new.hash, tuple(steps))


def _step(name: str, operation: InstallOperation, position: int) -> Step:
    offset, length = _target(name, operation)
    size, digest = operation.data_length or 0, operation.data_sha256_hash or b""
    if operation.type == OperationType.ZERO:
        if size:
            raise UntrustedData(f"{name}: zeros with {size} bytes of data")
        return Step(OperationType.ZERO, offset, length, 0, b"")
    if operation.type not in _WITH_DATA:
        raise UntrustedData(f"{name}: operation type {operation.type} in a full payload")
    if not 0 < size <= MAX_DATA or length > MAX_DATA:
        raise UntrustedData(f"{name}: {size} bytes for {length}, at most {MAX_DATA} each")
    if operation.data_offset != position or len(digest) != _DIGEST:
        raise UntrustedData(f"{name}: data at {operation.data_offset}, not hashed at {position}")
    kind = OperationType(operation.type)
    if kind is OperationType.REPLACE and size != length:
        raise UntrustedData(f"{name}: {size} bytes replace {length}")
    return Step(kind, offset, length, size, digest)


def _target(name: str, operation: InstallOperation) -> tuple[int, int]:
    """Offset and length of the one extent that is written."""
    if operation.src_extents or len(operation.dst_extents) != 1:
        raise UntrustedData(f"{name}: operation is not one from data to a single extent")
    extent = operation.dst_extents[0]
    start, count = extent.start_block or 0, extent.num_blocks or 0
    if not 0 < count <= MAX_OFFSET // BLOCK - start:
        raise UntrustedData(f"{name}: extent of {count} blocks at {start}")
    return start * BLOCK, count * BLOCK


def _check_coverage(name: str, steps: list[Step], size: int) -> None:
    covered = 0
    # The UKI goes into a file that only grows, so there the order counts too.
    for step in steps if name == UKI else sorted(steps, key=lambda step: step.offset):
        if step.offset != covered:
            block = min(step.offset, covered) // BLOCK
            raise UntrustedData(f"{name}: block {block} is not written exactly once, in order")
        covered += step.length
    if covered != size:
        raise UntrustedData(f"{name}: {covered} bytes written, {size} announced")


def _salt(root: PartitionUpdate) -> bytes:
    size = root.new_partition_info.size if root.new_partition_info else None
    covered = root.hash_tree_data_extent
    if covered is None or size is None:
        raise UntrustedData("root has no hash tree")
    if (covered.start_block or 0) != 0 or (covered.num_blocks or 0) * BLOCK != size:
        raise UntrustedData(f"hash tree covers {covered.num_blocks} blocks, not the whole root")
    if root.hash_tree_extent is not None or root.hash_tree_algorithm != "sha256":
        raise UntrustedData("hash tree is not sha256 on a device of its own")
    salt = root.hash_tree_salt or b""
    if len(salt) > _MAX_SALT:
        raise UntrustedData(f"hash tree salt of {len(salt)} bytes, at most {_MAX_SALT}")
    return salt
