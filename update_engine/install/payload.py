"""From a stream of untrusted bytes to a verified slot, without a second copy.

``open_payload`` authenticates the manifest and checks that it can be carried
out; it writes nothing. ``write_payload`` then invalidates the slot, streams
the content into it, each operation checked against the signed manifest before
it is decoded, checks the signature over the whole, and verifies the slot. Whatever
goes wrong, the slot stays or becomes one that can not be mounted.

Arming is the caller's decision; a verified slot is not booted by itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from hostio.disk.blockdev import BlockDevice
from osmodel.faults import Fault, HostFailure, UntrustedData
from osmodel.payload.layout import BLOCK, HEADER_SIZE, Header
from osmodel.payload.manifest import Manifest, release_of
from osmodel.payload.structure import ROOT, UKI, Content, Plan, plan_of
from osmodel.release import Release
from osmodel.verity import Superblock, hash_device_size, superblock_with
from update_engine.install.operations import Expander
from update_engine.install.payloadreader import PayloadReader, Source
from update_engine.install.signatures import verify
from update_engine.install.slotwriter import (
    ROOT_SUPERBLOCK,
    VERITY_SUPERBLOCK,
    SlotWriter,
    invalidate,
)
from update_engine.install.ukiwriter import UkiSink, UkiWriter
from update_engine.install.verify import place_head, verify_root, write_tree
from update_engine.repository.keys import Trust


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the parts of a payload go.

    Attributes:
        root: the passive slot.
        verity: its hash device.
        uki: a file that is not a boot entry yet.
    """

    root: BlockDevice
    verity: BlockDevice
    uki: UkiSink


@dataclass(frozen=True, slots=True)
class OpenedPayload:
    """A payload whose manifest is authentic and makes sense.

    Attributes:
        release: what it claims to install; covered by the signatures.
        manifest: as signed.
        plan: the manifest as checked steps.
        reader: stands at the first byte of data.
        trust: who may sign.
    """

    release: Release
    manifest: Manifest
    plan: Plan
    reader: PayloadReader
    trust: Trust


@dataclass(frozen=True, slots=True)
class Applied:
    """What a slot was verified to hold.

    Attributes:
        root_hash: 64 hex digits, as read back.
        uki_size: bytes written to the sink.
        uki_sha256: their digest, 64 hex digits.
    """

    root_hash: str
    uki_size: int
    uki_sha256: str


def open_payload(stream: Source, trust: Trust) -> OpenedPayload:
    """Read and authenticate everything in front of the data.

    The signature is checked before the manifest is parsed.

    Args:
        stream: at the first byte of a payload.
        trust: who must have signed.

    Raises:
        UntrustedData: not a payload, not signed by enough keys, or nothing
            that this machine can carry out.
        TransientFailure: the stream broke.
    """
    reader = PayloadReader(stream)
    header = Header.parse(bytes(reader.exactly(HEADER_SIZE)))
    if not header.metadata_signature_size:
        raise UntrustedData("payload is not signed")
    encoded = bytes(reader.exactly(header.manifest_size))
    verify(trust, reader.digest, bytes(reader.uncounted(header.metadata_signature_size)))
    manifest = Manifest.parse(encoded)
    return OpenedPayload(release_of(manifest), manifest, plan_of(manifest), reader, trust)


def write_payload(
    opened: OpenedPayload, targets: Targets, progress: Callable[[int, int], None]
) -> Applied:
    """Put the content of a payload into a slot and prove that it arrived.

    The old content of the slot is lost at once.

    Args:
        opened: fresh from :func:`open_payload`; used up by this.
        targets: the slot and the place for the UKI.
        progress: called with the bytes done and the bytes in total, counting
            what is written and what is read back.

    Returns:
        What the slot holds, durable.

    Raises:
        UntrustedData: data, signature or root hash is wrong.
        HostFailure: the slot is too small, or a device refused.
        TransientFailure: the stream broke.
    """
    superblock = superblock_with(opened.plan.salt, _root_blocks(opened.plan))
    _check_room(targets, superblock)
    try:
        return _Application(opened, targets, superblock, progress).run()
    except Fault:
        # Usually nothing is there to be undone; a failure of the very last
        # read is why this is done always.
        with contextlib.suppress(HostFailure):
            invalidate(targets.root, ROOT_SUPERBLOCK)
        with contextlib.suppress(HostFailure):
            invalidate(targets.verity, VERITY_SUPERBLOCK)
        raise


def _root_blocks(plan: Plan) -> int:
    root = plan.content(ROOT)
    return sum(step.length for step in root.steps) // BLOCK


def _check_room(targets: Targets, superblock: Superblock) -> None:
    for name, device, needed in (
        ("root", targets.root, superblock.data_blocks * BLOCK),
        ("verity", targets.verity, hash_device_size(superblock.data_blocks)),
    ):
        if needed > device.size:
            raise HostFailure(f"{name} needs {needed} bytes, its slot has {device.size}")


class _Application:
    """One run of ``write_payload``."""

    def __init__(
        self,
        opened: OpenedPayload,
        targets: Targets,
        superblock: Superblock,
        progress: Callable[[int, int], None],
    ) -> None:
        self._opened = opened
        self._targets = targets
        self._superblock = superblock
        self._progress = progress
        self._done = 0
        root_size = superblock.data_blocks * BLOCK
        self._total = root_size + sum(content.size for content in opened.plan.contents)

    def run(self) -> Applied:
        opened, targets = self._opened, self._targets
        # One after the other: while the root looks whole, so is its tree.
        invalidate(targets.root, ROOT_SUPERBLOCK)
        invalidate(targets.verity, VERITY_SUPERBLOCK)
        slot = SlotWriter(targets.root)
        uki = UkiWriter(targets.uki, opened.plan.content(UKI))
        expander = Expander()
        for content in opened.plan.contents:
            self._write(content, slot if content.name == ROOT else uki, expander)
        del expander  # its window is not needed beside the hash tree
        uki.finish()
        verify(opened.trust, opened.reader.digest, self._payload_signature())
        opened.reader.end()
        # The manifest's hash of the root is not compared: the root hash covers
        # the same blocks and is what the kernel checks.
        head = bytes(slot.head)
        tree = verify_root(
            targets.root, head, self._superblock, opened.release.root_hash, self._advance
        )
        write_tree(targets.verity, self._superblock, tree)
        place_head(targets.root, head)
        return Applied(tree.root_hash, uki.size, uki.sha256)

    def _write(self, content: Content, target: SlotWriter | UkiWriter, expander: Expander) -> None:
        reader = self._opened.reader
        for step in content.steps:
            data = reader.exactly(step.data_length)
            if step.data_length and sha256(data).digest() != step.data_sha256:
                raise UntrustedData(f"{content.name}: data for byte {step.offset} is damaged")
            offset = step.offset
            for piece in expander.expand(step, data):
                target.write(offset, piece)
                offset += len(piece)
            self._advance(min(step.length, content.size - step.offset))

    def _payload_signature(self) -> bytes:
        return bytes(self._opened.reader.uncounted(self._opened.plan.signatures_size))

    def _advance(self, count: int) -> None:
        self._done += count
        self._progress(self._done, self._total)
