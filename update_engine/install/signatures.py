"""Who signed: the threshold of distinct keys, counted the cautious way.

Keys are told apart by what they are, not by what they are called: the same
key under two names, or two signatures by one key, count once. Keys of kinds
that the payload format does not know never count. A set of keys that can not
be read at all refuses everything.

Source: AOSP system/update_engine, payload_consumer/payload_verifier.cc
(RSASSA-PKCS1-v1_5 with 2048 or 4096 bits, ECDSA over P-256, both on SHA-256);
the threshold is that of The Update Framework, section 5.5.
"""

from __future__ import annotations

from typing import TypeGuard

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from osmodel.faults import UntrustedData
from osmodel.payload.manifest import Signature, Signatures
from update_engine.repository.keys import Trust

_MAX_SIGNATURES = 32  # in one blob; bounds the work before anything is authentic
_RSA_BITS = frozenset({2048, 4096})
_PREHASHED = Prehashed(SHA256())

_PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


def verify(trust: Trust, digest: bytes, blob: bytes) -> None:
    """Accept ``digest`` if enough of the trusted keys signed it.

    Args:
        trust: keys and how many of them must have signed.
        digest: SHA-256, 32 bytes.
        blob: signatures as they lie in the payload.

    Raises:
        UntrustedData: fewer keys signed than the threshold, the blob is
            malformed, or the keys are unusable.
    """
    keys = _distinct_keys(trust)
    signatures = Signatures.parse(blob).signatures
    if len(signatures) > _MAX_SIGNATURES:
        raise UntrustedData(f"{len(signatures)} signatures, at most {_MAX_SIGNATURES} are read")
    candidates = [_unpadded(signature) for signature in signatures]
    signed = sum(any(_matches(key, one, digest) for one in candidates) for key in keys)
    if signed < trust.threshold:
        raise UntrustedData(
            f"{signed} of {len(keys)} trusted keys signed the payload, {trust.threshold} must"
        )


def _distinct_keys(trust: Trust) -> list[_PublicKey]:
    if trust.threshold < 1 or not trust.keys:
        raise UntrustedData(f"{len(trust.keys)} keys with threshold {trust.threshold}")
    found: dict[bytes, _PublicKey] = {}
    for name, pem in trust.keys.items():
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise UntrustedData(f"trusted key {name[:16]!r} can not be read") from error
        if _can_sign_payloads(key):
            found[key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)] = key
    return list(found.values())


def _can_sign_payloads(key: object) -> TypeGuard[_PublicKey]:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, ec.SECP256R1)
    return isinstance(key, rsa.RSAPublicKey) and key.key_size in _RSA_BITS


def _unpadded(signature: Signature) -> bytes:
    data = signature.data or b""
    size = signature.unpadded_signature_size
    if size is None:
        return data
    # The padding is not signed, so it must not be able to say anything.
    if size > len(data) or any(data[size:]):
        raise UntrustedData(f"signature of {size} bytes is not padded with zeros to {len(data)}")
    return data[:size]


def _matches(key: _PublicKey, signature: bytes, digest: bytes) -> bool:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, padding.PKCS1v15(), _PREHASHED)
        else:
            key.verify(signature, digest, ec.ECDSA(_PREHASHED))
    except InvalidSignature:
        return False
    return True
