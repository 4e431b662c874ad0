"""Signing keys, named by URI.

``file:PATH`` is a private key as PEM. No private key is ever written below a
repository, because everything there is served; a key file that others can read
is refused as ``ssh`` does it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, SSlibKey

from osmodel.faults import HostFailure, InvalidInput

PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey

_LONGEST = 64 << 10  # bytes; no key file is larger
_OTHERS = 0o077
_RSA_BITS = 4096


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key in hand.

    Attributes:
        uri: where it came from, for messages.
        private: the key; ECDSA P-256 or RSA of 4096 bits.
    """

    uri: str
    private: PrivateKey

    @property
    def public(self) -> SSlibKey:
        """The public half as metadata spells it."""
        return SSlibKey.from_crypto(self.private.public_key())

    @property
    def keyid(self) -> str:
        """Its id, derived from the public half: 64 hex digits."""
        return str(self.public.keyid)

    @property
    def signer(self) -> CryptoSigner:
        """Signs metadata with it."""
        return CryptoSigner(self.private)


def make_key(path: Path) -> SigningKey:
    """Create an ECDSA P-256 key in a new file that only its owner can read.

    Raises:
        InvalidInput: the file exists.
        HostFailure: it cannot be written.
    """
    private = generate_private_key(SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise InvalidInput(
            f"{path} exists", hint="keys are never overwritten; choose another --key-dir"
        ) from error
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}") from error
    return SigningKey(f"file:{path}", private)


def load_key(uri: str, *, repository: Path) -> SigningKey:
    """Read the private key ``uri`` names.

    Args:
        uri: ``file:PATH``.
        repository: the directory that is served, which must not hold the key.

    Raises:
        InvalidInput: another scheme, missing, encrypted, readable by others,
            inside the repository, or a kind of key payloads cannot carry.
    """
    path = _path(uri)
    if lies_in(path, repository):
        raise InvalidInput(f"{uri} lies inside the repository, which is served to the public")
    private = _parsed(uri, _read(uri, path))
    if isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP256R1):
        return SigningKey(uri, private)
    if isinstance(private, RSAPrivateKey) and private.key_size == _RSA_BITS:
        return SigningKey(uri, private)
    raise InvalidInput(f"{uri}: neither an ECDSA P-256 nor an RSA-4096 key")


def lies_in(path: Path, directory: Path) -> bool:
    """Whether ``path`` is ``directory`` or below it, links followed."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(directory))


def _path(uri: str) -> Path:
    scheme, colon, rest = uri.partition(":")
    if not colon or scheme.startswith(("/", ".")):
        raise InvalidInput(f"not a key URI: {uri!r}", hint=f"write file:{uri}")
    if scheme == "pkcs11":
        raise InvalidInput("pkcs11: keys are not supported yet", hint="use a file:PATH key")
    if scheme != "file" or not rest:
        raise InvalidInput(f"not a key URI: {uri!r}", hint="write file:PATH")
    # file:///PATH is a URL, where a blank is %20; file:PATH is a path as it is.
    return Path(unquote(rest[2:]) if rest.startswith("///") else rest)


def _read(uri: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LONGEST)
    except OSError as error:
        raise InvalidInput(f"{uri}: {error.strerror}") from error
    if mode & _OTHERS:
        raise InvalidInput(
            f"{uri} is accessible to others (mode {mode & 0o777:03o})", hint=f"chmod 600 {path}"
        )
    return content


def _parsed(uri: str, pem: bytes) -> object:
    try:
        return load_pem_private_key(pem, None)
    except TypeError as error:
        raise InvalidInput(f"{uri} is encrypted", hint="decrypt it to a file on tmpfs") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput(f"{uri} is not a private key in PEM") from error
