"""Which certificate authorities an image trusts."""

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from builder.tree import certificates
from hostio.system.runner import Command
from osmodel.faults import InvalidInput
from tests.fakes.runner import ScriptedRunner


def write(path: Path, content: str | bytes = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rehashing(command: Command) -> bytes:
    folder = Path(command.argv[-1])
    for number, path in enumerate(sorted(folder.glob("*.pem"))):
        (folder / f"{number:08x}.0").symlink_to(path.name)
    return b""


TOOLS = ScriptedRunner(openssl=rehashing)


def authority(form: Encoding = Encoding.PEM) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Example Corp")])
    begin = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(1).not_valid_before(begin)
    builder = builder.not_valid_after(begin + dt.timedelta(days=3650))
    return builder.sign(key, hashes.SHA256()).public_bytes(form)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root as its packages leave it."""
    top = tmp_path / "root"
    (top / "etc/ssl/certs").mkdir(parents=True)
    write(top / "etc/ca-certificates.conf", "# list\nm/B (1), x.crt\n!m/no.crt\n\nm/a.crt\n")
    write(top / "usr/share/ca-certificates/m/B (1), x.crt", "B")
    write(top / "usr/share/ca-certificates/m/a.crt", "a\n")
    certificates.link(top, tmp_path / "s", TOOLS)
    return top


def changed(root: Path, overlay: Path) -> Path:
    """The root's certificates after laying ``overlay``."""
    for path in overlay.rglob("*"):
        if path.is_file():
            write(root / path.relative_to(overlay), path.read_bytes())
    certificates.change(root, [overlay], root.parent / "s", TOOLS)
    return root / "etc/ssl/certs"


def test_certificates_are_linked_as_their_package_does_it(root: Path) -> None:
    certs = root / "etc/ssl/certs"
    assert (certs / "ca-certificates.crt").read_text() == "B\na\n"
    assert str((certs / "B_=1=__x.pem").readlink()) == "/usr/share/ca-certificates/m/B (1), x.crt"
    assert str((certs / "00000001.0").readlink()) == "a.pem"
    assert len(list(certs.iterdir())) == 5


def test_an_overlay_brings_the_authority_of_a_company(root: Path, tmp_path: Path) -> None:
    content = authority()
    write(tmp_path / "overlay/usr/local/share/ca-certificates/corp/root 1.crt", content)
    certs = changed(root, tmp_path / "overlay")
    assert (certs / "ca-certificates.crt").read_bytes() == b"B\na\n" + content
    link = (certs / "root_1.pem").readlink()
    assert str(link) == "/usr/local/share/ca-certificates/corp/root 1.crt"
    assert len(list(certs.iterdir())) == 7


def test_an_overlay_takes_an_authority_away(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "overlay/etc/ca-certificates.conf", "m/a.crt\n!m/B (1), x.crt\n")
    certs = changed(root, tmp_path / "overlay")
    assert (certs / "ca-certificates.crt").read_text() == "a\n"
    names = {path.name for path in certs.iterdir()}
    assert names == {"a.pem", "00000000.0", "ca-certificates.crt"}


def test_other_overlays_cost_no_time(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "overlay/etc/motd")
    certificates.change(root, [tmp_path / "overlay"], tmp_path / "s", ScriptedRunner())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nonsense", "not a certificate in PEM form"),
        (authority(Encoding.DER), "not a certificate in PEM form"),
        (authority() + authority(), "2 certificates in one file"),
        (authority().replace(b"A", b"!", 3), "not a certificate in PEM form"),
    ],
)
def test_what_no_program_would_read_is_refused(
    root: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    write(tmp_path / "overlay/usr/local/share/ca-certificates/corp.crt", content)
    with pytest.raises(InvalidInput, match=message):
        changed(root, tmp_path / "overlay")


def test_a_listed_authority_that_is_missing_is_refused(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "overlay/etc/ca-certificates.conf", "m/gone.crt\n")
    with pytest.raises(InvalidInput, match=r"no such certificate: 'm/gone\.crt'"):
        changed(root, tmp_path / "overlay")
