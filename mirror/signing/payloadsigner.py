"""Put signatures into a payload.

A payload names the size of its signatures in the header and in the manifest,
both of which are signed. So the sizes are found with dummies of full length
first, then the two digests are taken, then everything is written in one pass.
A signature shorter than the longest of its kind is padded with zeros and says
so. Signing again replaces the signatures that are there.

Source: AOSP system/update_engine, payload_generator/payload_signer.cc
(android-14.0.0_r50).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from mirror.signing.keys import PrivateKey
from osmodel.faults import HostFailure, InvalidInput, UntrustedData
from osmodel.payload.layout import HEADER_SIZE, MAX_SIGNATURES, Header
from osmodel.payload.manifest import Manifest, Signature, Signatures

_PIECE = 1 << 20  # bytes copied at a time
_LONGEST_P256 = 72  # bytes of a DER signature: two numbers of up to 33 bytes
_RSA_BITS = frozenset({2048, 4096})
_PREHASHED = Prehashed(SHA256())


@dataclass(frozen=True, slots=True)
class _Layout:
    """The signed file, but for the signatures.

    Attributes:
        front: header and manifest.
        old_data_start: where data begins in the source, in bytes.
        data_size: bytes of data.
        signatures_size: of either blob, in bytes.
    """

    front: bytes
    old_data_start: int
    data_size: int
    signatures_size: int


def sign_payload(source: Path, target: Path, keys: Sequence[PrivateKey]) -> None:
    """Write ``source`` to ``target`` with one signature by each key.

    Args:
        source: a payload, signed or not.
        target: another path; replaced when complete.
        keys: ECDSA P-256, or RSA with 2048 or 4096 bits.

    Raises:
        InvalidInput: no key, or one of another kind.
        UntrustedData: the source is not a payload, or is damaged.
        HostFailure: a file can not be read or written.
    """
    longest = _blob(Signature(bytes(size), size) for size in map(_longest, keys))
    if not keys or len(longest) > MAX_SIGNATURES:
        raise InvalidInput(f"a payload is signed by 1 to {MAX_SIGNATURES // 600} keys")
    beside = target.with_name(f".{target.name}.new")
    try:
        with source.open("rb") as old, beside.open("wb") as new:
            layout = _laid_out(old, len(longest))
            metadata_digest, payload_digest = _digests(old, layout)
            new.write(layout.front)
            new.write(_signed(keys, metadata_digest))
            for piece in _data(old, layout):
                new.write(piece)
            new.write(_signed(keys, payload_digest))
        beside.replace(target)
    except OSError as error:
        raise HostFailure(f"{target}: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)


def _laid_out(old: BinaryIO, signatures_size: int) -> _Layout:
    header = Header.parse(old.read(HEADER_SIZE))
    encoded = old.read(header.manifest_size)
    manifest = Manifest.parse(encoded)
    if manifest.encode() != encoded:
        raise UntrustedData("manifest has fields this program does not know; it would lose them")
    data_size = old.seek(0, 2) - header.data_start - (manifest.signatures_size or 0)
    if data_size < 0 or manifest.signatures_offset not in {None, data_size}:
        raise UntrustedData(f"payload has {data_size} bytes of data, another size is announced")
    renewed = replace(
        manifest, signatures_offset=data_size, signatures_size=signatures_size
    ).encode()
    front = Header(len(renewed), signatures_size).encode() + renewed
    return _Layout(front, header.data_start, data_size, signatures_size)


def _digests(old: BinaryIO, layout: _Layout) -> tuple[bytes, bytes]:
    digest = hashlib.sha256(layout.front)
    of_metadata = digest.digest()
    for piece in _data(old, layout):
        digest.update(piece)
    return of_metadata, digest.digest()


def _data(old: BinaryIO, layout: _Layout) -> Iterator[bytes]:
    old.seek(layout.old_data_start)
    missing = layout.data_size
    while missing:
        piece = old.read(min(missing, _PIECE))
        if not piece:
            raise UntrustedData("payload shrinks while it is read")
        missing -= len(piece)
        yield piece


def _signed(keys: Sequence[PrivateKey], digest: bytes) -> bytes:
    return _blob(_signature(key, digest) for key in keys)


def _blob(signatures: Iterator[Signature]) -> bytes:
    return Signatures(tuple(signatures)).encode()


def _signature(key: PrivateKey, digest: bytes) -> Signature:
    if isinstance(key, rsa.RSAPrivateKey):
        made = key.sign(digest, padding.PKCS1v15(), _PREHASHED)
    else:
        made = key.sign(digest, ec.ECDSA(_PREHASHED))
    return Signature(made.ljust(_longest(key), b"\0"), len(made))


def _longest(key: PrivateKey) -> int:
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size in _RSA_BITS:
        return key.key_size // 8
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return _LONGEST_P256
    raise InvalidInput(
        f"a key of kind {type(key).__name__} can not sign payloads",
        hint="use ECDSA P-256, or RSA with 2048 or 4096 bits",
    )
