import hashlib
import lzma
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import zstandard

from builder.payload.chunks import CHUNK
from builder.payload.payloadwriter import write_full
from osmodel.faults import HostFailure, InvalidInput
from osmodel.payload.layout import BLOCK, HEADER_SIZE, Header
from osmodel.payload.manifest import Extent, Manifest, OperationType, release_of
from osmodel.release import Release
from osmodel.verity import superblock_for
from osmodel.version import Version

RELEASE = Release("minimal", "x86_64", "uefi", Version.parse("1.0.1"), "ab" * 32)
CHANCE = random.Random(7)
TEXT = CHANCE.randbytes(4096) * (CHUNK // 4096)
NOISE = CHANCE.randbytes(3 * BLOCK)
ROOT = TEXT + bytes(CHUNK) + NOISE
UKI = b"MZ" + TEXT[: 5 * BLOCK]


@dataclass
class Bench:
    """Two images and what came of them."""

    folder: Path
    root: bytes = ROOT
    uki: bytes = UKI
    reports: list[tuple[int, int]] = field(default_factory=list)

    def write(self, *, cache: Path | None = None, compat: bool = False, workers: int = 2) -> bytes:
        root, uki, out = (self.folder / name for name in ("root", "uki", "payload"))
        root.write_bytes(self.root)
        uki.write_bytes(self.uki)
        write_full(
            root,
            uki,
            RELEASE,
            out,
            chunk_cache=cache,
            compat=compat,
            level=1,
            workers=workers,
            progress=lambda done, total: self.reports.append((done, total)),
        )
        return out.read_bytes()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def opened(payload: bytes) -> tuple[Manifest, bytes]:
    header = Header.parse(payload[:HEADER_SIZE])
    assert header.metadata_signature_size == 0
    return Manifest.parse(payload[HEADER_SIZE : header.data_start]), payload[header.data_start :]


def extracted(payload: bytes) -> dict[str, bytes]:
    """The images in a payload, by a reading of our own."""
    manifest, data = opened(payload)
    images = {}
    for part in manifest.partitions:
        image = bytearray()
        for one in part.operations:
            [extent] = one.dst_extents
            assert extent.start_block == len(image) // BLOCK
            size = (extent.num_blocks or 0) * BLOCK
            offset = one.data_offset or 0
            blob = data[offset : offset + (one.data_length or 0)]
            assert not blob or hashlib.sha256(blob).digest() == one.data_sha256_hash
            match one.type:
                case OperationType.ZERO:
                    image += bytes(size)
                case OperationType.REPLACE:
                    image += blob
                case OperationType.REPLACE_XZ:
                    image += lzma.decompress(blob)
                case _:
                    image += zstandard.ZstdDecompressor().decompress(blob)
            assert len(image) == extent.start_block * BLOCK + size
        assert part.new_partition_info is not None
        assert part.partition_name is not None
        content = bytes(image[: part.new_partition_info.size])
        assert not any(image[len(content) :])
        assert hashlib.sha256(content).digest() == part.new_partition_info.hash
        images[part.partition_name] = content
    return images


@pytest.mark.parametrize("compat", [False, True], ids=["zstd", "compat"])
def test_both_images_come_out_as_they_went_in(bench: Bench, *, compat: bool) -> None:
    assert extracted(bench.write(compat=compat)) == {"root": ROOT, "uki": UKI}


def test_each_chunk_gets_the_operation_that_suits_it(bench: Bench) -> None:
    root, uki = opened(bench.write())[0].partitions
    kinds = [OperationType(one.type or 0) for one in (*root.operations, *uki.operations)]
    assert kinds == [
        OperationType.REPLACE_ZSTD,
        OperationType.ZERO,
        OperationType.REPLACE,
        OperationType.REPLACE_ZSTD,
    ]


def test_compat_uses_only_operations_that_old_readers_know(bench: Bench) -> None:
    root, uki = opened(bench.write(compat=True))[0].partitions
    kinds = {one.type for one in (*root.operations, *uki.operations)}
    assert kinds == {OperationType.REPLACE, OperationType.REPLACE_XZ, OperationType.ZERO}


def test_the_manifest_says_what_a_machine_needs_to_know(bench: Bench) -> None:
    manifest, _ = opened(bench.write())
    root, _ = manifest.partitions
    assert release_of(manifest) == RELEASE
    assert (manifest.block_size, manifest.minor_version) == (BLOCK, 0)
    assert root.hash_tree_data_extent == Extent(0, len(ROOT) // BLOCK)
    assert root.hash_tree_salt == superblock_for("minimal", 1).salt
    assert manifest.signatures_offset is None


def test_the_number_of_threads_changes_no_byte(bench: Bench) -> None:
    assert bench.write(workers=1) == bench.write(workers=3) == bench.write(workers=0)


def test_a_cache_changes_no_byte(bench: Bench, tmp_path: Path) -> None:
    plain = bench.write()
    cache = tmp_path / "cache"
    assert bench.write(cache=cache) == plain
    assert bench.write(cache=cache) == plain
    assert len([*cache.iterdir()]) == 3


def test_a_damaged_cache_changes_no_byte(bench: Bench, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    plain = bench.write(cache=cache)
    first, second, _ = sorted(cache.iterdir())
    first.write_bytes(second.read_bytes())
    second.write_bytes(b"garbage")
    assert bench.write(cache=cache) == plain


def test_the_cache_keeps_settings_apart(bench: Bench, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    bench.write(cache=cache)
    assert extracted(bench.write(cache=cache, compat=True))["root"] == ROOT
    assert len([*cache.iterdir()]) == 6


def test_progress_ends_at_the_total(bench: Bench) -> None:
    bench.write()
    total = len(ROOT) + len(UKI)
    assert bench.reports[-1] == (total, total)
    assert [done for done, _ in bench.reports] == sorted(done for done, _ in bench.reports)


@pytest.mark.parametrize(
    ("root", "uki", "reason"),
    [(b"", b"x", "may be 0"), (bytes(BLOCK), b"", "may be 0"), (b"x", b"x", "no whole")],
)
def test_images_that_can_not_be_installed_are_refused(
    tmp_path: Path, root: bytes, uki: bytes, reason: str
) -> None:
    with pytest.raises(InvalidInput, match=reason):
        Bench(tmp_path, root, uki).write()
    assert not [*tmp_path.glob("*payload*")]


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostFailure, match="no-root"):
        write_full(tmp_path / "no-root", tmp_path / "no-uki", RELEASE, tmp_path / "payload")
