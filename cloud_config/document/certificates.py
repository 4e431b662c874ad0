"""Certificates of authorities in PEM, and the name that OpenSSL looks them up by.

Only as much of X.509 is read as that name takes: whether a certificate is any
good is decided where it is used.

Source: RFC 7468; X.690 (DER); OpenSSL's X509_NAME_hash_ex and crypto/x509/x_name.c,
``x509_name_canon``.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass

from cloud_config.document.scalars import unbase64

_BLOCK = re.compile(
    r"-----BEGIN (?:X509 )?CERTIFICATE-----(.*?)-----END (?:X509 )?CERTIFICATE-----", re.DOTALL
)
_LINE = 64  # characters of base64
_SEQUENCE, _SET, _OID, _INTEGER, _VERSION = 0x30, 0x31, 0x06, 0x02, 0xA0
_UTF8 = 0x0C
_TEXTS = {
    _UTF8: "utf-8",
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # T61String, as OpenSSL takes it
    0x16: "ascii",  # IA5String
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
_SUBJECT = 5  # of the certificate's fields, its optional version not counted


class NoCertificateError(Exception):
    """The text is no certificate; the message says why."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate.

    Attributes:
        pem: as OpenSSL would write it.
        fingerprint: SHA-256, 64 hex digits.
        name_hash: of its subject, 8 hex digits.
    """

    pem: str
    fingerprint: str
    name_hash: str


def read_certificates(text: str) -> tuple[Certificate, ...]:
    """All certificates of a text, which may have other lines around them.

    Raises:
        NoCertificateError: there is none, or one is damaged.
    """
    if "PRIVATE KEY" in text:
        raise NoCertificateError("holds a private key; only the certificate belongs here")
    found = tuple(_certificate(block[1]) for block in _BLOCK.finditer(text))
    if not found:
        raise NoCertificateError('holds no certificate ("-----BEGIN CERTIFICATE-----")')
    return found


def _certificate(packed: str) -> Certificate:
    der = unbase64(packed.encode(errors="replace").translate(None, b" \t"))
    if not der:
        raise NoCertificateError("holds a certificate that is no base64")
    try:
        name_hash = _name_hash(_subject(der))
    except (ValueError, IndexError) as error:
        raise NoCertificateError("holds a certificate that is cut short or damaged") from error
    lines = base64.b64encode(der).decode()
    body = "\n".join(lines[at : at + _LINE] for at in range(0, len(lines), _LINE))
    pem = f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
    return Certificate(pem, hashlib.sha256(der).hexdigest(), name_hash)


def _subject(der: bytes) -> bytes:
    """The content of the subject of a certificate."""
    (outer,) = _elements(der, _SEQUENCE)
    signed = _elements(outer)[0]
    fields = [one for one in _elements(_checked(signed, _SEQUENCE)) if one[0] != _VERSION]
    _checked(fields[0], _INTEGER)
    return _checked(fields[_SUBJECT - 1], _SEQUENCE)


def _name_hash(subject: bytes) -> str:
    canonical = b"".join(
        _encoded(_SET, b"".join(_attribute(one) for one in _elements(names, _SEQUENCE)))
        for names in _elements(subject, _SET)
    )
    digest = hashlib.sha1(canonical, usedforsecurity=False).digest()
    return digest[:4][::-1].hex()


def _attribute(content: bytes) -> bytes:
    """A part of a name in its canonical form: blanks and letter case do not count."""
    kind, value = _elements(content)
    _checked(kind, _OID)
    tag, inner = value[0], _content(value)
    if tag in _TEXTS:
        words = inner.decode(_TEXTS[tag]).encode().lower().split()
        value = _encoded(_UTF8, b" ".join(words))
    return _encoded(_SEQUENCE, kind + value)


def _elements(content: bytes, tag: int | None = None) -> list[bytes]:
    """The elements that content is made of, whole; with ``tag`` only what is in them."""
    found = []
    while content:
        end = _end(content)
        found.append(content[:end] if tag is None else _checked(content[:end], tag))
        content = content[end:]
    return found


def _checked(element: bytes, tag: int) -> bytes:
    if element[0] != tag:
        raise ValueError(f"expected an element {tag:#x}, got {element[0]:#x}")
    return _content(element)


def _content(element: bytes) -> bytes:
    return element[_head(element)[0] :]


def _end(content: bytes) -> int:
    begin, length = _head(content)
    if begin + length > len(content):
        raise ValueError("an element ends behind its end")
    return begin + length


def _head(element: bytes) -> tuple[int, int]:
    """Where the content of an element begins, and how long it is."""
    first = element[1]
    if first < 0x80:  # noqa: PLR2004 - the short form of a length, X.690 section 8.1.3.4
        return 2, first
    count = first & 0x7F
    if not 1 <= count <= 4 or len(element) < 2 + count:  # noqa: PLR2004 - bytes of 4 GiB
        raise ValueError("a length that no certificate has")
    return 2 + count, int.from_bytes(element[2 : 2 + count])


def _encoded(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:  # noqa: PLR2004 - as above
        return bytes([tag, length]) + content
    packed = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(packed)]) + packed + content
