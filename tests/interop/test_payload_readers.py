"""Readers that share no code with ours: Google's protobuf and a plain extractor."""

import bz2
import hashlib
import lzma
import shlex
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from builder.payload.payloadwriter import write_full
from hostio.system.runner import Command, LocalRunner
from mirror.signing.payloadsigner import sign_payload
from osmodel.payload.manifest import Manifest, Signatures
from tests.fakes.payloads import KEYS, manifest_of, public_pem, small_release

pytestmark = pytest.mark.interop

NEW = small_release(root_blocks=4096)

# message -> (field, number, type, repeated); from update_metadata.proto
SCHEMA: dict[str, list[tuple[str, int, str, bool]]] = {
    "Extent": [("start_block", 1, "uint64", False), ("num_blocks", 2, "uint64", False)],
    "PartitionInfo": [("size", 1, "uint64", False), ("hash", 2, "bytes", False)],
    "InstallOperation": [
        ("type", 1, "uint32", False),
        ("data_offset", 2, "uint64", False),
        ("data_length", 3, "uint64", False),
        ("src_extents", 4, "Extent", True),
        ("src_length", 5, "uint64", False),
        ("dst_extents", 6, "Extent", True),
        ("dst_length", 7, "uint64", False),
        ("data_sha256_hash", 8, "bytes", False),
        ("src_sha256_hash", 9, "bytes", False),
    ],
    "PartitionUpdate": [
        ("partition_name", 1, "string", False),
        ("old_partition_info", 6, "PartitionInfo", False),
        ("new_partition_info", 7, "PartitionInfo", False),
        ("operations", 8, "InstallOperation", True),
        ("hash_tree_data_extent", 10, "Extent", False),
        ("hash_tree_extent", 11, "Extent", False),
        ("hash_tree_algorithm", 12, "string", False),
        ("hash_tree_salt", 13, "bytes", False),
        ("version", 17, "string", False),
    ],
    "DeltaArchiveManifest": [
        ("block_size", 3, "uint32", False),
        ("signatures_offset", 4, "uint64", False),
        ("signatures_size", 5, "uint64", False),
        ("minor_version", 12, "uint32", False),
        ("partitions", 13, "PartitionUpdate", True),
        ("max_timestamp", 14, "int64", False),
        ("release", 1000, "bytes", False),
    ],
    "Signature": [("data", 2, "bytes", False), ("unpadded_signature_size", 3, "fixed32", False)],
    "Signatures": [("signatures", 1, "Signature", True)],
}


def message_class(name: str) -> Any:
    """Google's own class for one of the records."""
    proto = descriptor_pb2.FileDescriptorProto(name="payload.proto", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    for message, fields in SCHEMA.items():
        made = proto.message_type.add(name=message)
        for field, number, kind, repeated in fields:
            one = made.field.add(name=field, number=number)
            one.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            if kind in SCHEMA:
                one.type, one.type_name = kinds.TYPE_MESSAGE, kind
            else:
                one.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(proto)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


@pytest.fixture(scope="module")
def compat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed payload of only the operations that every reader knows."""
    folder = tmp_path_factory.mktemp("compat")
    (folder / "root").write_bytes(NEW.root)
    (folder / "uki").write_bytes(NEW.uki)
    write_full(folder / "root", folder / "uki", NEW.release, folder / "plain", compat=True)
    sign_payload(folder / "plain", folder / "payload.bin", KEYS)
    return folder / "payload.bin"


def pieces(payload: bytes) -> tuple[bytes, bytes, bytes]:
    """Manifest, metadata signature and the rest, cut by the byte table alone."""
    magic, version, manifest_size, signature_size = struct.unpack_from(">4sQQI", payload)
    assert (magic, version) == (b"CrAU", 2)
    manifest_end = 24 + manifest_size
    signature_end = manifest_end + signature_size
    return payload[24:manifest_end], payload[manifest_end:signature_end], payload[signature_end:]


def test_protobuf_reads_the_manifest_and_writes_the_same_bytes(compat: Path) -> None:
    encoded, _, _ = pieces(compat.read_bytes())
    theirs = message_class("DeltaArchiveManifest").FromString(encoded)
    ours = Manifest.parse(encoded)

    assert theirs.SerializeToString(deterministic=True) == encoded == ours.encode()
    assert theirs.signatures_offset == ours.signatures_offset
    assert theirs.release == ours.release
    for part, same in zip(theirs.partitions, ours.partitions, strict=True):
        assert part.partition_name == same.partition_name
        assert part.new_partition_info.size == getattr(same.new_partition_info, "size", None)
        assert [one.data_offset or None for one in part.operations] == [
            one.data_offset or None for one in same.operations
        ]


def test_we_read_what_protobuf_writes() -> None:
    kind = message_class("DeltaArchiveManifest")
    theirs = kind(block_size=4096, signatures_offset=(4 << 30) + 1, max_timestamp=2**62)
    part = theirs.partitions.add(partition_name="wurzel-ü", hash_tree_salt=b"\0\xff")
    part.operations.add(type=8, data_length=2**33).dst_extents.add(start_block=2**40, num_blocks=0)
    encoded = theirs.SerializeToString()
    assert Manifest.parse(encoded).encode() == encoded


def test_every_prefix_is_judged_as_protobuf_judges_it() -> None:
    encoded = manifest_of(small_release(root_blocks=8))[0].encode()
    kind = message_class("DeltaArchiveManifest")
    for length in range(len(encoded)):
        theirs = accepted(kind.FromString, encoded[:length])
        assert accepted(Manifest.parse, encoded[:length]) == theirs


def accepted(parse: Any, data: bytes) -> bool:
    try:
        parse(data)
    except Exception:  # noqa: BLE001 - the two parsers have no error class in common
        return False
    return True


def test_protobuf_reads_the_signatures(compat: Path) -> None:
    _, encoded, _ = pieces(compat.read_bytes())
    theirs = message_class("Signatures").FromString(encoded)
    assert len(theirs.signatures) == len(KEYS)
    assert theirs.SerializeToString(deterministic=True) == encoded
    assert [one.unpadded_signature_size for one in theirs.signatures] == [
        one.unpadded_signature_size for one in Signatures.parse(encoded).signatures
    ]


def test_a_plain_extractor_gets_the_images_out(compat: Path) -> None:
    encoded, _, data = pieces(compat.read_bytes())
    manifest = message_class("DeltaArchiveManifest").FromString(encoded)
    images = {part.partition_name: extract(part, data) for part in manifest.partitions}
    assert images["root"] == NEW.root
    assert images["uki"].rstrip(b"\0") == NEW.uki.rstrip(b"\0")


DECODERS: dict[int, Callable[[bytes], bytes]] = {0: bytes, 1: bz2.decompress, 8: lzma.decompress}


def extract(part: Any, data: bytes) -> bytes:
    """As payload dumpers do it: each operation to its first target extent."""
    image = bytearray()
    for one in part.operations:
        blob = data[one.data_offset : one.data_offset + one.data_length]
        if one.data_length:
            assert hashlib.sha256(blob).digest() == one.data_sha256_hash
        size = one.dst_extents[0].num_blocks * 4096
        offset = one.dst_extents[0].start_block * 4096
        image[offset : offset + size] = bytes(size) if one.type == 6 else DECODERS[one.type](blob)
    content = bytes(image[: part.new_partition_info.size])
    assert hashlib.sha256(content).digest() == part.new_partition_info.hash
    return bytes(image)


def test_openssl_accepts_both_signatures_of_every_key(compat: Path, tmp_path: Path) -> None:
    payload = compat.read_bytes()
    encoded, metadata_signature, rest = pieces(payload)
    manifest = message_class("DeltaArchiveManifest").FromString(encoded)
    front = payload[: 24 + len(encoded)]
    data, payload_signature = (
        rest[: manifest.signatures_offset],
        rest[manifest.signatures_offset :],
    )
    assert len(payload_signature) == manifest.signatures_size
    for signed, blob in ((front, metadata_signature), (front + data, payload_signature)):
        found = message_class("Signatures").FromString(blob).signatures
        for one, key in zip(found, KEYS, strict=True):
            signature = one.data[: one.unpadded_signature_size]
            assert openssl_verifies(tmp_path, signed, signature, public_pem(key))


def openssl_verifies(folder: Path, signed: bytes, signature: bytes, pem: bytes) -> bool:
    files = {"signed": signed, "signature": signature, "key.pem": pem}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    command = Command(
        ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "signed"],
        cwd=folder,
    )
    return LocalRunner().run(command) == b"Verified OK\n"


def test_openssl_accepts_a_signature_over_more_than_2_gib(tmp_path: Path) -> None:
    size = (2 << 30) + 1
    manifest = manifest_of(small_release(root_blocks=8))[0].encode()
    plain, signed = tmp_path / "plain", tmp_path / "payload"
    with plain.open("wb") as file:
        file.write(struct.pack(">4sQQI", b"CrAU", 2, len(manifest), 0) + manifest)
        file.truncate(file.tell() + size)
    sign_payload(plain, signed, KEYS[:1])
    with signed.open("rb") as file:
        header = file.read(24)
        encoded = file.read(struct.unpack_from(">Q", header, 12)[0])
        file.seek(struct.unpack_from(">I", header, 20)[0], 1)
        digest = hashlib.sha256(header + encoded)
        theirs = message_class("DeltaArchiveManifest").FromString(encoded)
        assert theirs.signatures_offset == size
        for at in range(0, size, 1 << 20):
            digest.update(file.read(min(1 << 20, size - at)))
        [one] = message_class("Signatures").FromString(file.read()).signatures
    signed.unlink()  # 2 GiB that nobody looks at again

    signature = one.data[: one.unpadded_signature_size]
    files = {"digest": digest.digest(), "signature": signature, "key.pem": public_pem(KEYS[0])}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    check = "openssl pkeyutl -verify -pubin -inkey key.pem -in digest -sigfile signature"
    answer = LocalRunner().run(Command(shlex.split(check), cwd=tmp_path))
    assert answer == b"Signature Verified Successfully\n"
