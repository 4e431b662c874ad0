"""Whose signatures count, and how many are needed.

The keys of the repository's targets role sign both the metadata and the
payloads, so a payload from a USB drive is held to the same threshold as one found
online. They come from the root of trust, never from what is being checked.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from tuf.api.metadata import Key, Role, Root

from osmodel.faults import UntrustedData


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys of release signers.

    Attributes:
        threshold: how many different keys must have signed, at least 1.
        keys: public keys as PEM (SubjectPublicKeyInfo), by key id; no two of
            them are the same key.
    """

    threshold: int
    keys: Mapping[str, bytes]


def trust_in(root: Root) -> Trust:
    """The targets role of ``root``.

    Raises:
        UntrustedData: a key cannot be read, or is there under two ids.
    """
    role = root.roles["targets"]
    keys = _readable(root, role)
    if len(set(keys.values())) < len(keys):
        raise UntrustedData("root: role targets lists one key under two ids")
    return Trust(role.threshold, keys)


def check_keys_differ(root: Root) -> None:
    """Refuse a root in which one key could count twice towards a threshold.

    A role's threshold promises that so many *different* keys agreed. Key ids
    are names chosen by the author of the root, so the keys themselves are
    compared.

    Raises:
        UntrustedData: a role lists one key under two ids.
    """
    for name, role in root.roles.items():
        keys = _readable(root, role).values()
        if len(set(keys)) < len(keys):
            raise UntrustedData(f"root: role {name} lists one key under two ids")


def _readable(root: Root, role: Role) -> dict[str, bytes]:
    """The keys of a role as PEM, by id.

    An id without a key is passed over, as python-tuf does: nobody signs with it.

    Raises:
        UntrustedData: a key cannot be read.
    """
    return {keyid: public_pem(root.keys[keyid]) for keyid in role.keyids if keyid in root.keys}


def public_pem(key: Key) -> bytes:
    """The public half of a metadata key, in one canonical writing.

    Raises:
        UntrustedData: not a key this program can use.
    """
    text = str(key.keyval.get("public", ""))
    try:
        if key.keytype == "ed25519":
            raw = Ed25519PublicKey.from_public_bytes(binascii.unhexlify(text))
            return raw.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        public = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UntrustedData(f"root: key {key.keyid[:16]!r} cannot be read") from error
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
