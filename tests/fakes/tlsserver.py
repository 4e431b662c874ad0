"""A certificate authority for a test, and servers with its certificates."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.fakes.rudeserver import Manner, RudeServer, served


class Authority:
    """Signs certificates; ``path`` is what a client must trust."""

    def __init__(self, directory: Path) -> None:
        self._key = generate_private_key(SECP256R1())
        self._directory = directory
        self._name = _named("a test authority")
        usage = x509.BasicConstraints(ca=True, path_length=None)
        builder = _certificate(self._name, self._name, self._key.public_key())
        authority = builder.add_extension(usage, critical=True)
        self.path = directory / "authority.pem"
        self.path.write_bytes(authority.sign(self._key, SHA256()).public_bytes(Encoding.PEM))

    def context(self, *names: str) -> ssl.SSLContext:
        """What a server with a certificate for these names listens with."""
        key = generate_private_key(SECP256R1())
        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
        builder = _certificate(_named(names[0]), self._name, key.public_key())
        certificate = builder.add_extension(alternatives, critical=False)
        path = self._directory / f"{names[0]}.pem"
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(pem + certificate.sign(self._key, SHA256()).public_bytes(Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


@contextmanager
def served_by_tls(context: ssl.SSLContext, **manners: Manner) -> Iterator[RudeServer]:
    """A server as :func:`tests.fakes.rudeserver.served` starts it, inside TLS."""
    with served(**manners) as server:
        server.tls = context
        yield server


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)  # noqa: TID251 - OpenSSL judges it by the time of this machine
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
