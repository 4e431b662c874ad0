"""From the root of trust in the image to the newest root."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import SSlibKey
from tuf.api.metadata import Key, Metadata, Root

from mirror.repository.rolefiles import write
from mirror.signing.keys import SigningKey
from osmodel.faults import UntrustedData
from tests.fakes.mutations import UNKNOWN_CURVE, X25519
from tests.fakes.repository import MadeRepository, made_repository, refuses, versions


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    """A repository with one release, known to a host."""
    repository = made_repository(tmp_path)
    repository.publish("1.0.0")
    repository.client().refresh()
    return repository


def unchanged(root: Root) -> None:
    del root


def replacing(old: SigningKey, new: SigningKey, role: str) -> Callable[[Root], None]:
    def change(root: Root) -> None:
        root.revoke_key(old.keyid, role)
        root.add_key(new.public, role)

    return change


def forged(made: MadeRepository, signers: list[SigningKey], version: int = 2) -> None:
    """Serve a next root with all keys replaced by one stranger's."""
    root = made.root.signed
    root.version = version
    for role in root.roles.values():
        role.keyids, role.threshold = [], 1
    for name in root.roles:
        root.add_key(signers[0].public, name)
    metadata = Metadata(root)
    for key in signers:
        metadata.sign(key.signer, append=True)
    write(made.directory, metadata)


def test_a_new_root_is_followed_and_kept(made: MadeRepository) -> None:
    new = made.new_key("new")
    old = made.keys("targets")[0]
    second = made.rotate_root(replacing(old, new, "targets"))
    host = made.client()
    host.refresh()
    assert made.remembered["2.root.json"] == second
    assert new.keyid in host.trust().keys
    assert old.keyid not in host.trust().keys


def test_many_roots_are_followed_one_after_the_other(made: MadeRepository) -> None:
    for _ in range(5):
        made.rotate_root(unchanged)
    made.client().refresh()
    assert sorted(made.remembered)[:5] == [f"{n}.root.json" for n in range(2, 7)]
    assert versions(made.client().refresh()) == ["1.0.0"]


def test_a_root_signed_only_by_itself_is_refused(made: MadeRepository) -> None:
    forged(made, [made.new_key("thief")])
    refuses(made, made.client(), "signed by 0/2 keys")


def test_a_root_signed_by_one_root_key_too_few_is_refused(made: MadeRepository) -> None:
    forged(made, [made.new_key("thief"), *made.keys("root", 1)])
    refuses(made, made.client(), "signed by 1/2 keys")


def test_a_root_with_a_later_number_than_its_name_is_refused(made: MadeRepository) -> None:
    made.rotate_root(unchanged)
    made.rotate_root(unchanged)
    shutil.copy(made.metadata("3.root.json"), made.metadata("2.root.json"))
    refuses(made, made.client(), "expected root version 2")


def test_the_first_root_again_is_refused(made: MadeRepository) -> None:
    shutil.copy(made.metadata("1.root.json"), made.metadata("2.root.json"))
    refuses(made, made.client(), "expected root version 2")


def test_one_key_under_two_ids_cannot_fill_a_role(made: MadeRepository) -> None:
    twice = made.keys("targets")[0].public

    def add_again(root: Root) -> None:
        alias = json.loads(json.dumps(root.to_dict()["keys"][twice.keyid]))
        # Another spelling of the same key.
        alias["keyval"]["public"] = alias["keyval"]["public"].replace("\n", "\n\n", 1).strip()
        root.keys["f" * 64] = Key.from_dict("f" * 64, alias)
        root.roles["targets"].keyids.append("f" * 64)

    made.rotate_root(add_again)
    refuses(made, made.client(), "one key under two ids")


def test_an_image_whose_root_lists_one_key_twice_is_refused(
    made: MadeRepository, tmp_path: Path
) -> None:
    root = made.root.signed
    key = made.keys("targets")[0].public
    root.keys["f" * 64] = Key.from_dict("f" * 64, root.to_dict()["keys"][key.keyid])
    root.roles["targets"].keyids.append("f" * 64)
    metadata = Metadata(root)
    for signer in made.keys("root"):
        metadata.sign(signer.signer, append=True)
    host = made.client(tmp_path / "new", root_json=metadata.to_bytes())
    for ask in (host.refresh, host.trust):
        with pytest.raises(UntrustedData, match="one key under two ids"):
            ask()


@pytest.mark.parametrize("damage", [b"", b"{}", b"null", b"[" * 9999])
def test_an_image_with_a_damaged_root_trusts_nobody(made: MadeRepository, damage: bytes) -> None:
    host = made.client(root_json=damage or b" ")
    for ask in (host.refresh, host.trust):
        with pytest.raises(UntrustedData, match="root of trust in the image is damaged"):
            ask()


def test_an_image_whose_root_is_not_signed_trusts_nobody(made: MadeRepository) -> None:
    document = json.loads(made.root_json)
    document["signatures"] = document["signatures"][:1]
    with pytest.raises(UntrustedData, match="root of trust in the image is damaged"):
        made.client(root_json=json.dumps(document).encode()).trust()


def test_a_newer_root_in_the_image_wins_over_an_older_one_remembered(
    made: MadeRepository,
) -> None:
    made.rotate_root(unchanged)
    made.client().refresh()
    old, new = made.keys("targets")[0], made.new_key("new")
    third = made.rotate_root(replacing(old, new, "targets"))
    # Offline, with nothing but the new image: its root counts at once.
    assert new.keyid in made.client(root_json=third).trust().keys
    assert versions(made.client(root_json=third).refresh()) == ["1.0.0"]


def test_what_is_remembered_still_guards_after_an_image_with_a_newer_root(
    made: MadeRepository,
) -> None:
    older = Path(shutil.copytree(made.directory, made.directory.parent / "older"))
    made.publish("1.0.1")
    made.client().refresh()
    second = made.rotate_root(unchanged)
    refuses(made, made.client(root_json=second, url=str(older)), "timestamp version")


def test_a_tampered_memory_can_not_add_a_root(made: MadeRepository) -> None:
    honest = made.metadata("1.root.json").read_bytes()
    thief = made.new_key("thief")
    forged(made, [thief])
    shutil.move(made.metadata("2.root.json"), made.cache / "2.root.json")
    host = made.client(root_json=honest)
    assert thief.keyid not in host.trust().keys
    assert versions(host.refresh()) == ["1.0.0"]


def test_another_repository_is_not_held_back_by_the_memory_of_the_first(
    made: MadeRepository, tmp_path: Path
) -> None:
    for _ in range(5):
        made.refresh()
    made.client().refresh()
    other = made_repository(tmp_path, name="other")
    other.publish("2.0.0")
    # An image for the other repository, on the same machine.
    assert versions(other.client(made.cache).refresh()) == ["2.0.0"]


def test_a_mirror_may_move_without_losing_the_memory(made: MadeRepository) -> None:
    older = Path(shutil.copytree(made.directory, made.directory.parent / "older"))
    made.publish("1.0.1")
    moved = Path(shutil.copytree(made.directory, made.directory.parent / "moved"))
    assert versions(made.client(url=str(moved)).refresh()) == ["1.0.0", "1.0.1"]
    refuses(made, made.client(url=older.as_uri()), "timestamp version")


def test_a_revocation_stays_known_when_the_rest_was_refused(made: MadeRepository) -> None:
    # The mirror shows the new root once, together with metadata that is refused.
    old, new = made.keys("timestamp")[0], made.new_key("new")
    second = made.rotate_root(replacing(old, new, "timestamp"))
    before = made.remembered
    with pytest.raises(UntrustedData):
        made.client().refresh()
    assert made.remembered == {**before, "2.root.json": second}
    # Then hides it: the revoked key must not count any more.
    made.metadata("2.root.json").unlink()
    refuses(made, made.client(), "signed by 0/1 keys")


def test_a_power_cut_while_remembering_costs_nothing(made: MadeRepository, tmp_path: Path) -> None:
    before = made.remembered
    made.publish("1.0.1")
    made.client().refresh()
    after = made.remembered
    names = ["targets.json", "snapshot.json", "timestamp.json"]
    for written in range(1 << len(names)):
        cache = tmp_path / f"cut-{written}"
        cache.mkdir()
        for bit, name in enumerate(names):
            (cache / name).write_bytes((after if written >> bit & 1 else before)[name])
        assert versions(made.client(cache).refresh()) == ["1.0.0", "1.0.1"]
        assert {path.name: path.read_bytes() for path in cache.iterdir()} == after


@pytest.mark.parametrize("name", ["timestamp.json", "snapshot.json", "targets.json"])
def test_a_damaged_memory_is_fetched_again(made: MadeRepository, name: str) -> None:
    whole = made.remembered
    for damage in (b"", b"{}", b"\0" * 100, whole[name][:-10]):
        (made.cache / name).write_bytes(damage)
        assert versions(made.client().refresh()) == ["1.0.0"]
        assert made.remembered == whole


@pytest.mark.parametrize("kind", ["link", "device", "pipe", "huge"])
def test_only_plain_files_are_remembered_from(made: MadeRepository, kind: str) -> None:
    kept = made.cache / "timestamp.json"
    whole = made.remembered
    aside = kept.rename(made.cache.parent / "aside")
    if kind == "pipe":
        os.mkfifo(kept)
    elif kind == "huge":
        with kept.open("wb") as file:
            file.truncate(1 << 40)
    else:
        kept.symlink_to("/dev/zero" if kind == "device" else aside)
    assert versions(made.client().refresh()) == ["1.0.0"]
    assert not kept.is_symlink()
    assert made.remembered == whole
    assert aside.read_bytes() == whole["timestamp.json"]


def test_trust_needs_no_repository(made: MadeRepository, tmp_path: Path) -> None:
    host = made.client(tmp_path / "empty", url=str(tmp_path / "nowhere"))
    assert host.trust().threshold == 2


def test_a_root_with_an_unreadable_key_is_refused(made: MadeRepository) -> None:
    def spoil(root: Root) -> None:
        key = root.keys[root.roles["targets"].keyids[0]]
        root.keys[key.keyid] = Key.from_dict(
            key.keyid, {**key.to_dict(), "keyval": {"public": "not a key"}}
        )

    made.rotate_root(spoil)
    refuses(made, made.client(), "cannot be read")


@pytest.mark.parametrize("pem", [UNKNOWN_CURVE, X25519], ids=["unknown curve", "no signatures"])
def test_a_root_from_the_line_with_a_key_of_no_use_is_refused(
    made: MadeRepository, pem: str
) -> None:
    document = json.loads(made.root_json)
    document["signed"]["version"] = 2
    for key in document["signed"]["keys"].values():
        key["keyval"]["public"] = pem
    made.metadata("2.root.json").write_text(json.dumps(document))
    refuses(made, made.client())
    assert made.client().trust().threshold == 2


def test_an_id_without_a_key_signs_for_nobody_and_harms_nothing(made: MadeRepository) -> None:
    made.rotate_root(lambda root: root.roles["targets"].keyids.append("f" * 64))
    host = made.client()
    assert versions(host.refresh()) == ["1.0.0"]
    assert len(host.trust().keys) == 3


def test_a_role_with_nothing_but_unknown_ids_trusts_no_signature(made: MadeRepository) -> None:
    def forget_keys(root: Root) -> None:
        root.roles["targets"].keyids[:] = ["e" * 64, "f" * 64]

    made.rotate_root(forget_keys)
    refuses_all = made.client()
    with pytest.raises(UntrustedData, match="signed by 0/2 keys"):
        refuses_all.refresh()
    assert not refuses_all.trust().keys


def test_an_unusable_root_in_the_memory_does_not_break_trust(made: MadeRepository) -> None:
    document = json.loads(made.root_json)
    document["signed"]["version"] = 2
    spoilings: list[dict[str, object]] = [{"keys": {}}, {"roles": {}}, {"version": "2"}]
    for spoilt in spoilings:
        document["signed"].update(spoilt)
        (made.cache / "2.root.json").write_text(json.dumps(document))
        assert made.client().trust().threshold == 2
        assert versions(made.client().refresh()) == ["1.0.0"]


def test_keys_of_another_kind_are_told_apart_too(made: MadeRepository) -> None:
    public = SSlibKey.from_crypto(Ed25519PrivateKey.generate().public_key())
    made.rotate_root(lambda root: root.add_key(public, "targets"))
    made.client().refresh()
    assert made.client().trust().keys[public.keyid].startswith(b"-----BEGIN PUBLIC KEY")

    def add_again(root: Root) -> None:
        root.keys["f" * 64] = Key.from_dict("f" * 64, public.to_dict())
        root.roles["targets"].keyids.append("f" * 64)

    made.rotate_root(add_again)
    refuses(made, made.client(), "one key under two ids")
