"""Making a repository and the keys for it."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from mirror.repository.creation import Policy, Quorum, create
from mirror.signing.keys import load_key
from osmodel.faults import InvalidInput
from tests.fakes.clock import StoppedClock
from tests.fakes.repository import (
    NOW,
    MadeRepository,
    files,
    made_repository,
)


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    return made_repository(tmp_path)


def test_private_keys_lie_beside_the_repository_and_are_private(made: MadeRepository) -> None:
    keys = sorted(made.directory.with_name("mirror.keys").iterdir())
    names = ["online", "root-1", "root-2", "root-3", "targets-1", "targets-2", "targets-3"]
    assert [path.stem for path in keys] == names
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}
    assert keys[0].parent.stat().st_mode & 0o777 == 0o700
    assert not [name for name, text in files(made.directory).items() if b"PRIVATE" in text]


def test_root_and_targets_hold_different_keys(made: MadeRepository) -> None:
    roles = made.root.signed.roles
    held = [set(roles[role].keyids) for role in ("root", "targets", "timestamp")]
    assert not held[0] & held[1]
    assert not held[1] & held[2]
    assert not held[0] & held[2]
    assert (roles["root"].threshold, roles["targets"].threshold) == (2, 2)


def test_nothing_is_overwritten(made: MadeRepository, tmp_path: Path) -> None:
    before = files(tmp_path)
    policy = Policy(Quorum(1, 1), Quorum(1, 1), {})
    with pytest.raises(InvalidInput, match="is not empty"):
        create(made.directory, tmp_path / "keys", policy, NOW)
    with pytest.raises(InvalidInput, match="exists"):
        create(tmp_path / "new", made.directory.with_name("mirror.keys"), policy, NOW)
    assert files(tmp_path) == before


def test_keys_cannot_be_made_inside_the_repository(tmp_path: Path) -> None:
    policy = Policy(Quorum(1, 1), Quorum(1, 1), {})
    for inside in (tmp_path / "m", tmp_path / "m" / "keys", tmp_path / "x" / ".." / "m" / "keys"):
        with pytest.raises(InvalidInput, match="inside the repository"):
            create(tmp_path / "m", inside, policy, NOW)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(("threshold", "keys"), [(0, 1), (2, 1), (-1, 3), (1, 33)])
def test_a_quorum_that_cannot_be_is_refused(threshold: int, keys: int) -> None:
    with pytest.raises(InvalidInput, match=f"{threshold} of {keys} keys"):
        Quorum(threshold, keys)


@pytest.mark.parametrize("days", [{"timestamp": 0}, {"root": 4000}, {"mirror": 7}])
def test_an_expiry_that_cannot_be_is_refused(days: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match="expire after"):
        Policy(Quorum(1, 1), Quorum(1, 1), days)


def test_a_repository_keeps_the_expiry_it_was_made_with(tmp_path: Path) -> None:
    policy = Policy(Quorum(1, 1), Quorum(1, 1), {"timestamp": 2})
    made = MadeRepository(
        tmp_path / "m", create(tmp_path / "m", tmp_path / "k", policy, NOW), StoppedClock(NOW)
    )
    made.clock.advance(86_400)
    made.refresh()
    assert made.now.timestamp.signed.expires == NOW + timedelta(days=3)


# --- keys ---------------------------------------------------------------------


def written(
    path: Path,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    encryption: KeySerializationEncryption | None = None,
) -> str:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    path.write_bytes(pem)
    path.chmod(0o600)
    return f"file:{path}"


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("pkcs11:token=yubikey", "not supported yet"),
        ("/etc/key.pem", "not a key URI"),
        ("keys/a.pem", "not a key URI"),
        ("https://host/key", "not a key URI"),
        ("file:", "not a key URI"),
        ("file:/nowhere/key.pem", "No such file"),
    ],
)
def test_a_key_that_cannot_be_had_is_explained(uri: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=reason):
        load_key(uri, repository=tmp_path)


def test_only_keys_that_payloads_can_carry_are_taken(tmp_path: Path) -> None:
    repository = tmp_path / "m"
    p256 = written(tmp_path / "a", ec.generate_private_key(ec.SECP256R1()))
    assert load_key(p256, repository=repository).keyid
    p384 = written(tmp_path / "b", ec.generate_private_key(ec.SECP384R1()))
    short = written(tmp_path / "c", rsa.generate_private_key(65537, 2048))
    for uri in (p384, short):
        with pytest.raises(InvalidInput, match="neither an ECDSA P-256 nor an RSA-4096"):
            load_key(uri, repository=repository)


def test_bad_key_files_are_explained(tmp_path: Path) -> None:
    repository = tmp_path / "m"
    locked = written(
        tmp_path / "locked", ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"x")
    )
    with pytest.raises(InvalidInput, match="is encrypted"):
        load_key(locked, repository=repository)
    (tmp_path / "garbage").write_bytes(b"garbage")
    (tmp_path / "garbage").chmod(0o600)
    with pytest.raises(InvalidInput, match="not a private key"):
        load_key(f"file:{tmp_path}/garbage", repository=repository)


def test_a_key_that_others_can_read_is_refused(made: MadeRepository) -> None:
    uri = made.created.keys["targets"][0]
    Path(uri.removeprefix("file:")).chmod(0o640)
    with pytest.raises(InvalidInput, match="mode 640"):
        load_key(uri, repository=made.directory)


def test_a_key_inside_the_repository_is_refused(made: MadeRepository) -> None:
    inside = made.directory / "key.pem"
    shutil.copy(made.created.keys["targets"][0].removeprefix("file:"), inside)
    with pytest.raises(InvalidInput, match="inside the repository"):
        load_key(f"file:{inside}", repository=made.directory)
