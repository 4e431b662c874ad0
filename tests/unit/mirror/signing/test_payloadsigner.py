import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mirror.signing.payloadsigner import sign_payload
from osmodel.faults import HostFailure, InvalidInput, UntrustedData
from osmodel.payload import wire
from osmodel.payload.layout import HEADER_SIZE, Header
from osmodel.payload.manifest import Manifest, Signatures
from tests.fakes.payloads import KEYS, PrivateKey, manifest_of, small_release, trust
from update_engine.install.payload import open_payload
from update_engine.install.signatures import verify

NEW = small_release()
RSA_4096 = rsa.generate_private_key(65537, 4096)


@pytest.fixture
def unsigned(tmp_path: Path) -> Path:
    manifest, data = manifest_of(NEW)
    encoded = manifest.encode()
    path = tmp_path / "unsigned"
    path.write_bytes(Header(len(encoded), 0).encode() + encoded + data)
    return path


def signed_by(source: Path, keys: Sequence[PrivateKey], name: str = "signed") -> Path:
    target = source.with_name(name)
    sign_payload(source, target, keys)
    return target


@pytest.mark.parametrize(
    "keys", [KEYS[:1], KEYS, (RSA_4096,), (RSA_4096, *KEYS[:2])], ids=["1", "3", "rsa", "mixed"]
)
def test_every_key_is_found_in_the_result(unsigned: Path, keys: Sequence[PrivateKey]) -> None:
    with signed_by(unsigned, keys).open("rb") as stream:
        assert open_payload(stream, trust(len(keys), keys)).release == NEW.release


def test_both_digests_are_the_ones_of_the_format(unsigned: Path) -> None:
    payload = signed_by(unsigned, KEYS).read_bytes()
    header = Header.parse(payload[:HEADER_SIZE])
    front = payload[: HEADER_SIZE + header.manifest_size]
    manifest = Manifest.parse(front[HEADER_SIZE:])
    data = payload[header.data_start :][: manifest.signatures_offset]
    signature = payload[header.data_start + len(data) :]

    assert len(signature) == manifest.signatures_size == header.metadata_signature_size
    verify(trust(3), hashlib.sha256(front).digest(), payload[len(front) : header.data_start])
    verify(trust(3), hashlib.sha256(front + data).digest(), signature)


def test_the_data_is_not_touched(unsigned: Path) -> None:
    data = manifest_of(NEW)[1]
    payload = signed_by(unsigned, KEYS).read_bytes()
    start = Header.parse(payload[:HEADER_SIZE]).data_start
    assert payload[start : start + len(data)] == data


def test_ecdsa_signatures_are_padded_to_one_length(unsigned: Path) -> None:
    payload = signed_by(unsigned, KEYS).read_bytes()
    header = Header.parse(payload[:HEADER_SIZE])
    blob = payload[header.data_start - header.metadata_signature_size : header.data_start]
    for one in Signatures.parse(blob).signatures:
        assert one.data is not None
        assert len(one.data) == 72
        assert 68 <= (one.unpadded_signature_size or 0) <= 72


def test_signing_again_replaces_the_signatures(unsigned: Path) -> None:
    once = signed_by(unsigned, KEYS[:1], "once")
    again = signed_by(once, KEYS[1:], "again")
    assert again.stat().st_size > once.stat().st_size
    with again.open("rb") as stream:
        open_payload(stream, trust(2, KEYS[1:]))
    with again.open("rb") as stream, pytest.raises(UntrustedData, match="0 of 1"):
        open_payload(stream, trust(1, KEYS[:1]))


@pytest.mark.parametrize(
    "keys", [[], [ec.generate_private_key(ec.SECP384R1())], [rsa.generate_private_key(65537, 3072)]]
)
def test_unusable_keys_are_refused(unsigned: Path, keys: Sequence[PrivateKey]) -> None:
    with pytest.raises(InvalidInput):
        signed_by(unsigned, keys)
    assert [path.name for path in unsigned.parent.iterdir()] == ["unsigned"]


def test_a_payload_of_another_length_than_it_says_is_refused(unsigned: Path) -> None:
    signed = signed_by(unsigned, KEYS)
    signed.write_bytes(signed.read_bytes() + b"x")
    with pytest.raises(UntrustedData, match="another size is announced"):
        signed_by(signed, KEYS, "again")


def test_fields_that_would_be_lost_are_refused(unsigned: Path) -> None:
    encoded = manifest_of(NEW)[0].encode() + wire.number_field(2000, 1)
    unsigned.write_bytes(Header(len(encoded), 0).encode() + encoded)
    with pytest.raises(UntrustedData, match="does not know"):
        signed_by(unsigned, KEYS)


@pytest.mark.parametrize("content", [b"", b"CrAU", b"not a payload at all, but long enough"])
def test_other_files_are_refused(unsigned: Path, content: bytes) -> None:
    unsigned.write_bytes(content)
    with pytest.raises(UntrustedData):
        signed_by(unsigned, KEYS)


def test_a_missing_file_is_a_failure_of_the_host(tmp_path: Path) -> None:
    with pytest.raises(HostFailure, match="No such file"):
        signed_by(tmp_path / "missing", KEYS)
