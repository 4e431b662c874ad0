"""Certificates in PEM, and the names that OpenSSL looks them up by."""

import datetime as dt
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type as Asn1
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from cloud_config.document.certificates import NoCertificateError, read_certificates
from cloud_config.document.reading import read

KEY = ec.generate_private_key(ec.SECP256R1())
BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


def certificate(name: x509.Name) -> x509.Certificate:
    builder = x509.CertificateBuilder(name, name, KEY.public_key(), 1)
    builder = builder.not_valid_before(BEGIN).not_valid_after(BEGIN + dt.timedelta(36500))
    return builder.sign(KEY, hashes.SHA256())


def named(text: str, kind: Asn1 | None = None) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text, kind)])


def pem(name: x509.Name) -> str:
    return certificate(name).public_bytes(PEM).decode()


ONE, OTHER = pem(named("one")), pem(named("other"))
# As `openssl x509 -subject_hash` of OpenSSL 3.5 has them.
HASHES = [
    (named("Gr\u00f6\u00dfe \u00dcn\u00efcode \u00c4\u00d6\u00dc CA"), "36a55658"),
    (named("bmp \u00c4", Asn1.BMPString), "d80257db"),
    (named("T61 x", Asn1.T61String), "20ee0f6d"),
    (named("uni \u00c4", Asn1.UniversalString), "6a02d86e"),
    (named("tab\tand  blanks"), "c0c4e9d1"),
    (x509.Name([]), "eea339da"),
    (
        x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example  Company "),
                x509.NameAttribute(NameOID.COMMON_NAME, "Example Root CA"),
            ]
        ),
        "947f06df",
    ),
    (
        x509.Name(
            [
                x509.RelativeDistinguishedName(
                    [
                        x509.NameAttribute(NameOID.COMMON_NAME, "multi"),
                        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "valued"),
                    ]
                )
            ]
        ),
        "88cb1513",
    ),
]


@pytest.mark.parametrize(("name", "expected"), HASHES)
def test_openssl_looks_it_up_by_the_same_name(name: x509.Name, expected: str) -> None:
    (found,) = read_certificates(pem(name))
    assert found.name_hash == expected


def test_a_certificate_is_kept_as_openssl_writes_it() -> None:
    made = certificate(named("one"))
    (found,) = read_certificates(made.public_bytes(PEM).decode().replace("\n", "\r\n "))
    assert found.pem == made.public_bytes(PEM).decode()
    assert found.fingerprint == hashlib.sha256(made.public_bytes(DER)).hexdigest()


def test_a_text_may_hold_several_and_words_between() -> None:
    found = read_certificates(f"subject: one\n{ONE}\nand\n{OTHER}")
    assert [one.pem for one in found] == [ONE, OTHER]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no certificate"),
        ("/etc/ssl/company.pem", "holds no certificate"),
        (ONE.replace("END", "EN"), "holds no certificate"),
        (ONE.replace("MII", "!!!"), "is no base64"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "cut short or damaged"),
        ("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", "is no base64"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" + ONE, "a private key"),
    ],
)
def test_what_is_no_certificate_is_refused(text: str, why: str) -> None:
    with pytest.raises(NoCertificateError, match=why):
        read_certificates(text)


@given(st.integers(0, len(ONE.splitlines()[1]) - 1), st.characters(codec="ascii"))
def test_a_damaged_certificate_never_raises_anything_else(at: int, other: str) -> None:
    lines = ONE.splitlines()
    lines[1] = lines[1][:at] + other + lines[1][at + 1 :]
    try:
        read_certificates("\n".join(lines))
    except NoCertificateError:
        return


def test_a_broken_one_costs_itself_alone() -> None:
    text = "ca-certs:\n  trusted:\n  - none\n  - |\n" + "".join(
        f"    {line}\n" for line in ONE.splitlines()
    )
    reading = read(text)
    assert [one.pem for one in reading.document.authorities] == [ONE]
    assert str(reading.findings[0]).startswith("line 3: error: trusted[0] of ca_certs holds no")


def test_the_images_own_authorities_stay() -> None:
    (finding,) = read("ca_certs: {remove_defaults: true}").findings
    assert "the image's own authorities stay" in finding.message
