"""Payloads that somebody changed: bad metadata writes nothing, bad data seals nothing."""

import hashlib
import io
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from osmodel.faults import UntrustedData
from osmodel.payload.layout import HEADER_SIZE, Header
from osmodel.payload.manifest import Signature, Signatures, release_bytes
from tests.fakes.payloads import (
    EROFS_MAGIC,
    KEYS,
    manifest_of,
    sign,
    signatures,
    signed_payload,
    small_release,
    trust,
)
from tests.fakes.ramdisk import RamDisk
from update_engine.install.payload import Targets, open_payload, write_payload
from update_engine.repository.keys import Trust

pytestmark = pytest.mark.slow
NEW = small_release("1.0.1", seed=1)
OLD = small_release("1.0.0", seed=2)
GOOD = signed_payload(NEW)
DATA_STARTS = len(GOOD.front)
DATA_ENDS = DATA_STARTS + len(GOOD.data)
STRANGERS = tuple(ec.generate_private_key(ec.SECP256R1()) for _ in range(3))


class Machine:
    """A passive slot with an old release in it."""

    def __init__(self) -> None:
        self.root = RamDisk(len(NEW.root), content=OLD.root)
        self.verity = RamDisk(NEW.verity_size, content=OLD.verity)
        self.uki = io.BytesIO()

    def apply(self, payload: bytes, trusted: Trust | None = None) -> None:
        opened = open_payload(io.BytesIO(payload), trusted or trust())
        targets = Targets(self.root, self.verity, self.uki)
        write_payload(opened, targets, lambda _done, _total: None)

    @property
    def is_untouched(self) -> bool:
        operations = (self.root.writes, self.verity.writes, self.root.flushes, self.uki.tell())
        return operations == (0, 0, 0, 0)

    @property
    def is_invalid(self) -> bool:
        return EROFS_MAGIC not in self.root.durable[:4096] and not any(self.verity.durable[:512])


def assert_refused_untouched(payload: bytes, trusted: Trust | None = None) -> None:
    machine = Machine()
    with pytest.raises(UntrustedData):
        machine.apply(payload, trusted)
    assert machine.is_untouched


def assert_refused_invalid(payload: bytes) -> None:
    machine = Machine()
    with pytest.raises(UntrustedData):
        machine.apply(payload)
    assert machine.is_invalid


def flipped(payload: bytes, at: int, bit: int) -> bytes:
    changed = bytearray(payload)
    changed[at] ^= 1 << bit
    return bytes(changed)


def test_the_payload_is_good_before_it_is_changed() -> None:
    machine = Machine()
    machine.apply(bytes(GOOD))
    assert machine.root.durable == NEW.root
    assert machine.verity.durable == NEW.verity
    assert machine.uki.getvalue() == NEW.uki


@pytest.mark.parametrize("bit", range(8))
def test_no_bit_of_header_manifest_or_their_signature_can_change(bit: int) -> None:
    for at in range(DATA_STARTS):
        assert_refused_untouched(flipped(bytes(GOOD), at, bit))


@pytest.mark.parametrize("bit", range(8))
def test_no_bit_of_the_payload_signature_can_change(bit: int) -> None:
    for at in range(DATA_ENDS, len(bytes(GOOD))):
        assert_refused_invalid(flipped(bytes(GOOD), at, bit))


def test_no_byte_of_the_data_can_change() -> None:
    for at in [*range(DATA_STARTS, DATA_ENDS, 397), DATA_ENDS - 1]:
        assert_refused_invalid(flipped(bytes(GOOD), at, at % 8))


def test_damaged_data_is_neither_decoded_nor_written() -> None:
    machine = Machine()
    with pytest.raises(UntrustedData, match="root: data for byte 0 is damaged"):
        machine.apply(flipped(bytes(GOOD), DATA_STARTS + 100, 3))
    assert machine.root.bytes_written == 2 * 512  # made invalid, and once more


def test_a_payload_cut_short_in_its_metadata_writes_nothing() -> None:
    for length in range(DATA_STARTS):
        assert_refused_untouched(bytes(GOOD)[:length])


def test_a_payload_cut_short_in_its_data_seals_nothing() -> None:
    lengths = [*range(DATA_STARTS, DATA_ENDS, 1499), *range(DATA_ENDS - 2, len(bytes(GOOD)))]
    for length in lengths:
        assert_refused_invalid(bytes(GOOD)[:length])


def test_a_cut_at_every_seam_between_operations_is_noticed() -> None:
    content = open_payload(GOOD.stream, trust()).plan.contents
    seam = DATA_STARTS
    for step in [step for part in content for step in part.steps]:
        assert_refused_invalid(bytes(GOOD)[:seam])
        seam += step.data_length
        assert_refused_invalid(bytes(GOOD)[: seam - 1])
    assert seam == DATA_ENDS


def test_bytes_behind_the_payload_are_refused() -> None:
    assert_refused_invalid(bytes(GOOD) + b"\0")


def test_an_unsigned_payload_is_refused() -> None:
    unsigned = Header(len(GOOD.manifest), 0).encode() + GOOD.manifest + GOOD.data
    assert_refused_untouched(unsigned)


def test_an_empty_list_of_signatures_is_refused() -> None:
    assert_refused_untouched(bytes(sign(*manifest_of(NEW), keys=[])))


def test_one_signature_below_the_threshold_is_refused() -> None:
    assert_refused_untouched(bytes(signed_payload(NEW, KEYS[:1])))


def test_one_key_signing_twice_counts_once() -> None:
    assert_refused_untouched(bytes(signed_payload(NEW, [KEYS[0], KEYS[0]])))


def test_one_key_trusted_under_two_names_counts_once() -> None:
    twice = trust(2, [KEYS[0], KEYS[0]])
    assert_refused_untouched(bytes(signed_payload(NEW, [KEYS[0], KEYS[0]])), twice)


def test_signatures_of_strangers_do_not_count() -> None:
    assert_refused_untouched(bytes(signed_payload(NEW, STRANGERS)))
    assert_refused_untouched(bytes(signed_payload(NEW, [KEYS[0], *STRANGERS])))


def test_signatures_of_another_payload_do_not_count() -> None:
    other = signed_payload(OLD)
    swapped = replace(GOOD, metadata_signature=other.metadata_signature)
    assert_refused_untouched(bytes(swapped))
    assert_refused_invalid(bytes(replace(GOOD, payload_signature=other.payload_signature)))


def test_the_metadata_signature_does_not_vouch_for_the_data() -> None:
    moved = replace(GOOD, payload_signature=GOOD.metadata_signature)
    assert_refused_invalid(bytes(moved))


def test_zeros_are_no_signature() -> None:
    for made in (bytes(72), bytes.fromhex("3006020100020100").ljust(72, b"\0")):
        blank = Signatures((Signature(made, 8), Signature(made, 8))).encode()
        assert_refused_untouched(bytes(replace(GOOD, metadata_signature=blank)))


def test_the_data_of_two_operations_can_not_be_swapped() -> None:
    first, second = GOOD.data[: len(GOOD.data) // 2], GOOD.data[len(GOOD.data) // 2 :]
    assert_refused_invalid(bytes(replace(GOOD, data=second + first)))


def test_the_manifest_of_one_release_does_not_install_the_data_of_another() -> None:
    other = signed_payload(OLD)
    assert_refused_invalid(bytes(replace(GOOD, data=other.data)))


def test_a_wrong_root_hash_is_found_although_every_signature_is_right() -> None:
    manifest, data = manifest_of(NEW)
    lied = replace(NEW.release, root_hash="00" * 32)
    assert_refused_invalid(bytes(sign(replace(manifest, release=release_bytes(lied)), data)))


def test_the_identity_is_signed() -> None:
    for changed in (
        replace(NEW.release, image="node"),
        replace(NEW.release, architecture="arm64"),
        replace(NEW.release, platform="uboot"),
    ):
        manifest = replace(manifest_of(NEW)[0], release=release_bytes(changed))
        forged = sign(manifest, GOOD.data, STRANGERS)
        mixed = replace(GOOD, header=forged.header, manifest=forged.manifest)
        assert_refused_untouched(bytes(mixed))
        honest = sign(manifest, GOOD.data)
        assert open_payload(honest.stream, trust()).release == changed


def test_metadata_is_not_parsed_before_it_is_authentic() -> None:
    nonsense = b"\xff" * 100
    size = len(signatures(STRANGERS[:2], bytes(32)))
    front = Header(len(nonsense), size).encode() + nonsense
    forged = front + signatures(STRANGERS[:2], hashlib.sha256(front).digest())
    with pytest.raises(UntrustedData, match="trusted keys signed"):
        open_payload(io.BytesIO(forged), trust())


def test_sizes_beyond_the_limits_are_refused_before_they_are_read() -> None:
    for header in (
        Header((16 << 20) + 1, 100),
        Header((1 << 63) + 5, 100),
        Header(100, (64 << 10) + 1),
        Header(0, 100),
    ):
        endless = EndlessSource(header.encode())
        with pytest.raises(UntrustedData, match="bytes, at most"):
            open_payload(endless, trust())
        assert endless.taken == HEADER_SIZE


class EndlessSource:
    """Zeros for ever, behind some first bytes."""

    def __init__(self, first: bytes) -> None:
        self.taken = 0
        self._first = io.BytesIO(first)

    def read(self, size: int, /) -> bytes:
        self.taken += size
        return self._first.read(size) or bytes(size)
