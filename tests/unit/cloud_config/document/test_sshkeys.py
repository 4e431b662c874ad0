"""Lines of authorized_keys, as sshd would take them."""

import base64
import struct

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from cloud_config.document.reading import read
from cloud_config.document.sshkeys import complaint

Private = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def line(key: Private | dsa.DSAPrivateKey) -> str:
    openssh, public = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return key.public_key().public_bytes(openssh, public).decode()


def packed(kind: str, *fields: bytes) -> str:
    blob = b"".join(struct.pack(">I", len(field)) + field for field in (kind.encode(), *fields))
    return f"{kind} {base64.b64encode(blob).decode()}"


ED25519 = line(ed25519.Ed25519PrivateKey.generate())
GOOD = [
    ED25519,
    line(rsa.generate_private_key(65537, 2048)),
    *(
        line(ec.generate_private_key(curve()))
        for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
    ),
    packed("sk-ssh-ed25519@openssh.com", bytes(32), b"ssh:"),
    packed("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", bytes(65), b"ssh:"),
]


@pytest.mark.parametrize("key", GOOD)
@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "{} me@example.com",
        "  {} a comment of words  ",
        "no-pty {}",
        'command="echo \\"ssh-rsa AAAA\\"",from="10.0.0.0/8,::1" {} me',
        'cert-authority,principals="a b" {}',
    ],
)
def test_what_sshd_takes_is_taken(key: str, form: str) -> None:
    assert complaint(form.format(key)) == ""


@pytest.mark.parametrize("text", ["", "  ", "# a comment", "#ssh-rsa AAAA"])
def test_what_is_no_key_and_no_mistake_is_left_alone(text: str) -> None:
    assert complaint(text) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("github:someone", "names a key elsewhere"),
        ("gh:someone", "names a key elsewhere"),
        ("https://github.com/someone.keys", "names a key elsewhere"),
        ("some text", "is no public key"),
        ("ssh-ed25519", "is cut short or damaged"),
        ("ssh-ed25519 AAAA", "is cut short or damaged"),
        ("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC me@x", "is cut short or damaged"),
        (ED25519[:-8], "is cut short or damaged"),
        (ED25519.replace("ssh-ed25519", "ssh-rsa"), "is cut short or damaged"),
        ("ssh-ed25519 !!!!", "is cut short or damaged"),
        (packed("ssh-ed25519", bytes(31)), "is cut short or damaged"),
        (packed("ssh-ed25519", bytes(32), b"x"), "is cut short or damaged"),
        (packed("ecdsa-sha2-nistp256", b"nistp256", bytes(3)), "is cut short or damaged"),
        (packed("ssh-rsa", b"\1\0\1", b"\1" * 64), "has fewer than 1024 bits"),
        (packed("ssh-dss", b"p", b"q", b"g", b"y"), "no longer takes"),
        (packed("ssh-rsa-cert-v01@openssh.com", b"x"), "is a certificate"),
        (packed("ssh-ed25519-cert-v01@openssh.com", b"x"), "is a certificate"),
        ('command="x', "is no public key"),
    ],
)
def test_what_sshd_does_not_take_is_named(text: str, why: str) -> None:
    assert why in complaint(text)


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    assert isinstance(complaint(text), str)


def test_each_line_is_judged_by_itself_and_never_quoted() -> None:
    text = f'ssh_authorized_keys:\n- "{ED25519}"\n- "github:secret"\n- "{ED25519}\\nsecret"\n'
    findings = read(text).findings
    assert [finding.line for finding in findings] == [3, 4]
    assert "secret" not in str(findings)


def test_the_keys_of_a_user_are_judged_too() -> None:
    (finding,) = read("users: [{name: a, ssh_authorized_keys: [some text]}]").findings
    assert "is no public key" in finding.message
    assert finding.in_original_words == ""
