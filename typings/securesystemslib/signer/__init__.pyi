from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

class Signature:
    keyid: str
    signature: str
    def __init__(
        self, keyid: str, sig: str, unrecognized_fields: dict[str, Any] | None = ...
    ) -> None: ...
    @classmethod
    def from_dict(cls, signature_dict: dict[str, Any]) -> Signature: ...
    def to_dict(self) -> dict[str, Any]: ...

class Key:
    keyid: str
    keytype: str
    scheme: str
    keyval: Mapping[str, Any]
    unrecognized_fields: dict[str, Any]
    @classmethod
    def from_dict(cls, keyid: str, key_dict: dict[str, Any]) -> Key: ...
    def to_dict(self) -> dict[str, Any]: ...
    def verify_signature(self, signature: Signature, data: bytes) -> None: ...

class SSlibKey(Key):
    def __init__(
        self,
        keyid: str,
        keytype: str,
        scheme: str,
        keyval: dict[str, Any],
        unrecognized_fields: dict[str, Any] | None = ...,
    ) -> None: ...
    @classmethod
    def from_crypto(
        cls, public_key: PublicKeyTypes, keyid: str | None = ..., scheme: str | None = ...
    ) -> SSlibKey: ...

class Signer:
    @property
    def public_key(self) -> Key: ...
    def sign(self, payload: bytes) -> Signature: ...

class CryptoSigner(Signer):
    def __init__(self, private_key: PrivateKeyTypes, public_key: SSlibKey | None = ...) -> None: ...
