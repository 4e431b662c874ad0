import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from osmodel.faults import UntrustedData
from osmodel.payload.manifest import Signature, Signatures
from tests.fakes.payloads import KEYS, PrivateKey, public_pem, signature, signatures, trust
from update_engine.install.signatures import verify
from update_engine.repository.keys import Trust

DIGEST = bytes(range(32))
RSA_2048 = rsa.generate_private_key(65537, 2048)
RSA_3072 = rsa.generate_private_key(65537, 3072)
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def blob(*made: Signature) -> bytes:
    return Signatures(made).encode()


@pytest.mark.parametrize("signers", [KEYS[:2], KEYS[1:], KEYS, (KEYS[2], KEYS[0])])
def test_enough_keys_in_any_order_are_accepted(signers: tuple[PrivateKey, ...]) -> None:
    verify(trust(2), DIGEST, signatures(signers, DIGEST))


def test_rsa_and_ecdsa_count_alike() -> None:
    keys = (RSA_2048, KEYS[0])
    verify(trust(2, keys), DIGEST, signatures(keys, DIGEST))


def test_further_signatures_by_strangers_do_no_harm() -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    verify(trust(2), DIGEST, signatures((stranger, *KEYS[:2]), DIGEST))


def test_the_digest_is_what_was_signed() -> None:
    with pytest.raises(UntrustedData, match="0 of 3 trusted keys signed the payload, 2 must"):
        verify(trust(2), bytes(32), signatures(KEYS, DIGEST))


@pytest.mark.parametrize("threshold", [0, -1])
def test_a_threshold_of_no_key_is_refused(threshold: int) -> None:
    with pytest.raises(UntrustedData, match="threshold"):
        verify(trust(threshold), DIGEST, signatures(KEYS, DIGEST))


def test_no_trusted_keys_means_nothing_is_trusted() -> None:
    with pytest.raises(UntrustedData, match="0 keys"):
        verify(Trust(1, {}), DIGEST, signatures(KEYS, DIGEST))


@pytest.mark.parametrize("pem", [b"", b"garbage", public_pem(KEYS[0])[:60]])
def test_a_garbled_key_refuses_everything(pem: bytes) -> None:
    keys = {"good": public_pem(KEYS[0]), "bad": pem}
    with pytest.raises(UntrustedData, match="'bad' can not be read"):
        verify(Trust(1, keys), DIGEST, signatures(KEYS, DIGEST))


def test_a_threshold_above_the_number_of_keys_is_never_met() -> None:
    with pytest.raises(UntrustedData, match="3 of 3 trusted keys signed the payload, 4 must"):
        verify(trust(4), DIGEST, signatures(KEYS, DIGEST))


@pytest.mark.parametrize(
    "other",
    [
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP384R1()),
        dsa.generate_private_key(2048),
    ],
    ids=["ed25519", "P-384", "dsa"],
)
def test_keys_of_other_kinds_never_count(
    other: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey,
) -> None:
    pem = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    keys = {"other": pem, "ours": public_pem(KEYS[0])}
    verify(Trust(1, keys), DIGEST, signatures(KEYS[:1], DIGEST))
    with pytest.raises(UntrustedData, match="1 of 1 trusted keys"):
        verify(Trust(2, keys), DIGEST, signatures(KEYS[:1], DIGEST))


def test_rsa_keys_of_other_lengths_never_count() -> None:
    with pytest.raises(UntrustedData, match="0 of 0"):
        verify(trust(1, [RSA_3072]), DIGEST, signatures([RSA_3072], DIGEST))


@pytest.mark.parametrize(
    ("r", "s"),
    [(0, 0), (0, 1), (1, 0), (P256_ORDER, P256_ORDER), (P256_ORDER, 0), (P256_ORDER + 1, 1)],
)
def test_degenerate_signatures_are_none(r: int, s: int) -> None:
    made = encode_dss_signature(r, s)
    with pytest.raises(UntrustedData, match="0 of 3"):
        verify(trust(1), DIGEST, blob(Signature(made, len(made))))


def test_padding_must_be_zeros() -> None:
    good = signature(KEYS[0], DIGEST)
    assert good.data is not None
    padded = Signature(good.data[: good.unpadded_signature_size].ljust(74, b"\0"), 70)
    verify_size = good.unpadded_signature_size
    verify(trust(1), DIGEST, blob(Signature(padded.data, verify_size)))
    with pytest.raises(UntrustedData, match="padded with zeros"):
        verify(trust(1), DIGEST, blob(Signature((padded.data or b"")[:-1] + b"!", verify_size)))


def test_a_signature_can_not_be_longer_than_its_data() -> None:
    with pytest.raises(UntrustedData, match="signature of 73 bytes"):
        verify(trust(1), DIGEST, blob(Signature(bytes(72), 73)))


def test_a_signature_may_come_without_padding() -> None:
    good = signature(KEYS[0], DIGEST)
    bare = (good.data or b"")[: good.unpadded_signature_size]
    verify(trust(1), DIGEST, blob(Signature(bare)))


@pytest.mark.parametrize("made", [Signature(), Signature(b""), Signature(b"", 0)])
def test_an_empty_signature_is_none(made: Signature) -> None:
    with pytest.raises(UntrustedData, match="0 of 3"):
        verify(trust(1), DIGEST, blob(made))


def test_the_number_of_signatures_is_limited() -> None:
    with pytest.raises(UntrustedData, match="33 signatures, at most 32"):
        verify(trust(1), DIGEST, blob(*[Signature(bytes(72), 72)] * 33))
