"""Whether a line of authorized_keys is one that sshd takes.

A line that is none does nothing, and that is noticed at the first login that
fails, on a machine that nothing else can reach. Nothing of a key is quoted.

Source: sshd(8), "AUTHORIZED_KEYS FILE FORMAT"; RFC 4253 section 6.6, RFC 5656,
RFC 8709; OpenSSH's PROTOCOL.u2f. DSA is gone since OpenSSH 10.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache

from cloud_config.document.scalars import unbase64

_CURVES = {
    "ecdsa-sha2-nistp256": 65,
    "ecdsa-sha2-nistp384": 97,
    "ecdsa-sha2-nistp521": 133,
}
"""Bytes of a point by type of key."""
_FIELDS = {
    "ssh-rsa": 3,
    "ssh-ed25519": 2,
    "sk-ssh-ed25519@openssh.com": 3,
    "sk-ecdsa-sha2-nistp256@openssh.com": 4,
    **dict.fromkeys(_CURVES, 3),
}
"""Length-prefixed fields by type of key, the type's own name included."""
_ED25519 = 32  # bytes
_SHORTEST_RSA = 1024  # bits, sshd's RequiredRSASize
_ELSEWHERE = re.compile(r"(gh|github|gl|gitlab|lp|launchpad|ldap):|https?://", re.IGNORECASE)
# Options stand before the type; blanks in them are within quotes.
_KIND = re.compile(r"(ssh|sk|ecdsa)-[a-z0-9@.-]+")
_OPTIONS = re.compile(r'(?:[^\s"]|"(?:[^"\\]|\\.)*")+\s+')


@lru_cache(maxsize=1024)
def complaint(line: str) -> str:
    """Why sshd does not take a line as a key; empty if it does, or if the line is a comment."""
    line = line.strip()
    if not line or line.startswith("#"):
        return ""
    if _ELSEWHERE.match(line):
        return "names a key elsewhere, which is not fetched; write the key itself"
    kind, packed = _parts(line)
    if kind == "ssh-dss":
        return "is of the type ssh-dss, which sshd no longer takes"
    if kind.endswith("-cert-v01@openssh.com"):
        return "is a certificate; the key of its authority belongs here, after cert-authority"
    if kind not in _FIELDS:
        return 'is no public key such as "ssh-ed25519 AAAA... name"'
    return _of_blob(kind, packed)


def _parts(line: str) -> tuple[str, str]:
    """Type and packed key of a line, which may begin with options."""
    words = line.split(maxsplit=2)
    if not _KIND.fullmatch(words[0]):
        options = _OPTIONS.match(line)
        words = line[options.end() :].split(maxsplit=2) if options else []
    return (words[0], words[1]) if len(words) > 1 else (words[0] if words else "", "")


def _of_blob(kind: str, packed: str) -> str:
    blob = unbase64(packed.encode(errors="replace"))
    fields = None if not blob else _fields(blob)
    if fields is None or len(fields) != _FIELDS[kind] or fields[0] != kind.encode():
        return "is cut short or damaged"
    if kind.endswith("ed25519") and len(fields[1]) != _ED25519:
        return "is cut short or damaged"
    if kind in _CURVES and len(fields[2]) != _CURVES[kind]:
        return "is cut short or damaged"
    if kind == "ssh-rsa" and int.from_bytes(fields[2]).bit_length() < _SHORTEST_RSA:
        return f"has fewer than {_SHORTEST_RSA} bits, which sshd does not take"
    return ""


def _fields(blob: bytes) -> list[bytes] | None:
    """Length-prefixed fields; ``None`` if they do not fill the blob."""
    found = []
    while blob:
        if len(blob) < struct.calcsize(">I"):
            return None
        (length,) = struct.unpack_from(">I", blob)
        if length > len(blob) - 4:
            return None
        found.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return found
