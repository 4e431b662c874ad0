"""What a mirror, or an attacker on the line, may try; each test is one attack."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import Delegations, Root, TargetFile, Targets

from hostio.net.fetch import ByteStream
from hostio.net.locations import fetcher_for
from mirror.repository.rolefiles import announce, signed_by_role
from osmodel.faults import HostFailure, TransientFailure
from osmodel.release import release_to_json
from osmodel.repository import target_path
from tests.fakes.fetcher import EndlessStream, Meddler, saying
from tests.fakes.repository import MadeRepository, made_repository, refuses, release, versions

DAY = 86_400


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    """A repository with one release, known to a host ."""
    repository = made_repository(tmp_path)
    repository.publish("1.0.0", b"first payload")
    repository.client().refresh()
    return repository


def copy_of(made: MadeRepository, name: str) -> Path:
    return Path(shutil.copytree(made.directory, made.directory.parent / name))


def rewritten(path: Path, change: Callable[[Any], None]) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def before(name: str) -> list[str]:
    """The roles that are verified before the one in this file."""
    order = ["timestamp", "snapshot", "targets"]
    return order[: next(n for n, role in enumerate(order) if role in name)]


# --- the honest way -----------------------------------------------------------


def test_a_published_release_is_offered_and_its_payload_read(made: MadeRepository) -> None:
    made.publish("1.0.1", b"second payload")
    host = made.client()
    offers = {str(offer.release.version): offer for offer in host.refresh()}
    assert offers["1.0.1"].release == release("1.0.1")
    with host.open(offers["1.0.1"].payloads[0]) as payload:
        assert payload.read(1000) == b"second payload"


def test_a_second_refresh_without_news_changes_nothing(made: MadeRepository) -> None:
    before = made.remembered
    assert versions(made.client().refresh()) == ["1.0.0"]
    assert made.remembered == before


def test_the_threshold_and_keys_are_those_of_the_targets_role(made: MadeRepository) -> None:
    trust = made.client().trust()
    assert trust.threshold == 2
    assert set(trust.keys) == {key.keyid for key in made.keys("targets")}
    assert all(pem.startswith(b"-----BEGIN PUBLIC KEY") for pem in trust.keys.values())


# --- rollback, freeze, mix and match ------------------------------------------


def test_an_older_repository_is_refused(made: MadeRepository) -> None:
    older = copy_of(made, "older")
    made.publish("1.0.1")
    made.client().refresh()
    refuses(made, made.client(url=str(older)), "timestamp version")


def test_a_repository_that_stands_still_is_refused_once_it_expires(made: MadeRepository) -> None:
    made.clock.advance(7 * DAY + 1)
    refuses(made, made.client(), "timestamp.json is expired")


def test_an_old_snapshot_cannot_hide_behind_a_new_timestamp(made: MadeRepository) -> None:
    made.publish("1.0.1")
    shutil.copy(made.metadata("2.snapshot.json"), made.metadata("3.snapshot.json"))
    refuses(made, made.client(), keeps=("timestamp",))


def test_old_targets_cannot_hide_behind_a_new_snapshot(made: MadeRepository) -> None:
    made.publish("1.0.1")
    shutil.copy(made.metadata("2.targets.json"), made.metadata("3.targets.json"))
    refuses(made, made.client(), keeps=("timestamp", "snapshot"))


def test_parts_of_two_repositories_do_not_mix(made: MadeRepository, tmp_path: Path) -> None:
    other = made_repository(tmp_path, name="other")
    other.publish("9.0.0")
    made.publish("1.0.1")
    for name in ("timestamp.json", "3.snapshot.json", "3.targets.json"):
        saved = made.metadata(name).read_bytes()
        foreign = other.metadata(name.replace("3.", "2."))
        made.metadata(name).write_bytes(foreign.read_bytes())
        refuses(made, made.client(), keeps=before(name))
        made.metadata(name).write_bytes(saved)
    assert versions(made.client().refresh()) == ["1.0.0", "1.0.1"]


def test_a_host_recovers_from_a_stolen_online_key_when_the_root_names_another(
    made: MadeRepository,
) -> None:
    # The thief counts the timestamp far ahead, so that nothing real is newer.
    stolen = made.keys("timestamp")
    now = made.now
    now.timestamp.signed.version = 10**9
    announce(made.directory, now, stolen, made.clock.now())
    made.client().refresh()

    new = made.new_key("new-online")

    def replace_online_key(root: Root) -> None:
        for role in ("snapshot", "timestamp"):
            root.revoke_key(stolen[0].keyid, role)
            root.add_key(new.public, role)

    made.rotate_root(replace_online_key)
    now.timestamp.signed.version = 3
    announce(made.directory, replace(now, root=made.root), [new], made.clock.now())
    assert versions(made.client().refresh()) == ["1.0.0"]


def test_what_was_verified_is_kept_when_the_rest_is_withheld(made: MadeRepository) -> None:
    """TUF 5.4.5 and 5.5.7: a mirror cannot go back behind what it once showed."""
    older = copy_of(made, "older")
    made.publish("1.0.1")
    made.metadata("3.targets.json").unlink()
    with pytest.raises(TransientFailure, match=r"3\.targets\.json"):
        made.client().refresh()
    assert made.remembered["timestamp.json"] == made.metadata("timestamp.json").read_bytes()
    assert made.remembered["snapshot.json"] == made.metadata("3.snapshot.json").read_bytes()
    refuses(made, made.client(url=str(older)), "timestamp version")


# --- signatures ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["timestamp.json", "3.snapshot.json", "3.targets.json"])
def test_a_changed_byte_is_refused(made: MadeRepository, name: str) -> None:
    made.publish("1.0.1")
    content = made.metadata(name).read_bytes()
    for at in range(0, len(content), max(len(content) // 40, 1)):
        damaged = bytearray(content)
        damaged[at] ^= 1
        made.metadata(name).write_bytes(damaged)
        refuses(made, made.client(), keeps=before(name))


def test_targets_signed_by_too_few_are_refused(made: MadeRepository) -> None:
    made.publish("1.0.1")
    sign_with(made, lambda signatures: signatures[:1])
    refuses(made, made.client(), "signed by 1/2 keys", keeps=("timestamp", "snapshot"))


def test_one_signature_twice_counts_once(made: MadeRepository) -> None:
    made.publish("1.0.1")
    sign_with(made, lambda signatures: [signatures[0], signatures[0]])
    refuses(made, made.client(), keeps=("timestamp", "snapshot"))


def test_a_signature_under_another_keys_name_does_not_count(made: MadeRepository) -> None:
    made.publish("1.0.1")

    def renamed(signatures: list[dict[str, str]]) -> list[dict[str, str]]:
        return [signatures[0], {**signatures[0], "keyid": signatures[1]["keyid"]}]

    sign_with(made, renamed)
    refuses(made, made.client(), "signed by 1/2 keys", keeps=("timestamp", "snapshot"))


def test_strangers_cannot_make_up_the_number(made: MadeRepository) -> None:
    made.publish("1.0.1")
    now = made.now
    strange = [made.new_key("strange-1"), made.new_key("strange-2")]
    signed = deepcopy(now.targets)
    signed.signatures.clear()
    for key in strange:
        signed.sign(key.signer, append=True)
    republish(made, signed.to_bytes())
    refuses(made, made.client(), "signed by 0/2 keys", keeps=("timestamp", "snapshot"))


def test_the_online_key_cannot_release(made: MadeRepository) -> None:
    now = made.now
    targets = deepcopy(now.targets)
    targets.signed.version += 1
    targets.signatures.clear()
    for key in made.keys("timestamp"):
        targets.sign(key.signer, append=True)
    republish(made, targets.to_bytes())
    refuses(made, made.client(), "signed by 0/2 keys", keeps=("timestamp", "snapshot"))


def test_unsigned_metadata_is_refused(made: MadeRepository) -> None:
    rewritten(made.metadata("timestamp.json"), lambda document: document["signatures"].clear())
    refuses(made, made.client(), "signed by 0/1 keys")


def sign_with(
    made: MadeRepository, choose: Callable[[list[dict[str, str]]], list[dict[str, str]]]
) -> None:
    """Replace the signatures of the newest targets and announce the result."""
    path = made.metadata(f"{made.now.targets.signed.version}.targets.json")
    document = json.loads(path.read_bytes())
    document["signatures"] = choose(document["signatures"])
    republish(made, json.dumps(document).encode())


def republish(made: MadeRepository, targets: bytes) -> None:
    """Announce targets bytes with the (stolen) online key, whatever they are."""
    now = made.now
    version = json.loads(targets)["signed"]["version"]
    made.metadata(f"{version}.targets.json").write_bytes(targets)
    meta = now.snapshot.signed.meta["targets.json"]
    meta.version, meta.length, meta.hashes = version, None, None
    now.snapshot.signed.version += 1
    snapshot = signed_by_role(
        now.root.signed, now.snapshot.signed, made.keys("snapshot"), made.clock.now()
    )
    timestamp = now.timestamp.signed
    timestamp.version += 1
    timestamp.snapshot_meta.version = snapshot.signed.version
    timestamp.snapshot_meta.length = timestamp.snapshot_meta.hashes = None
    signed = signed_by_role(now.root.signed, timestamp, made.keys("timestamp"), made.clock.now())
    made.metadata(f"{snapshot.signed.version}.snapshot.json").write_bytes(snapshot.to_bytes())
    made.metadata("timestamp.json").write_bytes(signed.to_bytes())


# --- sizes and shapes ---------------------------------------------------------


@pytest.mark.parametrize("name", ["timestamp.json", "2.root.json"])
def test_endless_metadata_is_cut(made: MadeRepository, name: str) -> None:
    stream = EndlessStream()
    meddler = Meddler(fetcher_for(str(made.directory), made.clock), {name: lambda _: stream})
    refuses(made, made.client(fetcher=meddler), "larger than")
    assert stream.taken < 1 << 20


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_metadata_longer_than_promised_is_cut(made: MadeRepository, role: str) -> None:
    made.publish("1.0.1")
    stream = EndlessStream()
    replies: dict[str, Callable[[int], ByteStream]] = {f"3.{role}.json": lambda _: stream}
    meddler = Meddler(fetcher_for(str(made.directory), made.clock), replies)
    refuses(made, made.client(fetcher=meddler), "larger than", keeps=before(f"3.{role}.json"))
    assert stream.taken < 1 << 20


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"[" * 16_000,
        b'{"signed":' * 1600,
        b"\xff\xfe\0",
        b'{"signatures":[],"signed":{"_type":"timestamp","version":' + b"9" * 10_000 + b"}}",
        b'{"signatures":[],"signed":{"_type":"root"}}',
    ],
    ids=range(9),
)
def test_nonsense_is_refused(made: MadeRepository, content: bytes) -> None:
    for name in ("timestamp.json", "2.root.json"):
        meddler = Meddler(fetcher_for(str(made.directory), made.clock), {name: saying(content)})
        refuses(made, made.client(fetcher=meddler))


def test_a_root_named_like_another_role_is_refused(made: MadeRepository) -> None:
    shutil.copy(made.metadata("1.root.json"), made.metadata("timestamp.json"))
    refuses(made, made.client())


def test_a_mirror_that_lacks_a_file_is_not_an_attack(made: MadeRepository) -> None:
    made.metadata("timestamp.json").unlink()
    with pytest.raises(TransientFailure, match=r"timestamp\.json"):
        made.client().refresh()


def test_a_full_state_partition_is_the_hosts_problem(made: MadeRepository, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_bytes(b"a file where the directory should be")
    with pytest.raises(HostFailure):
        made.client(blocked).refresh()


# --- names and offers ---------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "/etc/passwd",
        "%2e%2e/x",
        "minimal/x86_64/uefi/1.0.1/../../../../x",
        "minimal/x86_64/uefi/1.0.1/full.payload\0",
        "minimal/x86_64/uefi/1.0.2/full.payload",
        "other/x86_64/uefi/1.0.1/full.payload",
        "a" * 4096,
        "",
    ],
)
def test_a_target_in_another_place_than_its_release_is_skipped(
    made: MadeRepository, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    made.edit_targets(add(path, {"twinkeel": release_to_json(release("1.0.1"))}))
    assert versions(made.client().refresh()) == ["1.0.0"]
    assert "skipped=" in caplog.text


@pytest.mark.parametrize(
    "custom",
    [
        {"twinkeel": None},
        {"twinkeel": "1.0.1"},
        {"twinkeel": []},
        {"twinkeel": {}},
        {"twinkeel": {**release_to_json(release("1.0.1")), "image": "../../x"}},
        {"twinkeel": {**release_to_json(release("1.0.1")), "version": 1}},
        {"other": 1},
        {},
        None,
    ],
)
def test_a_target_that_is_no_release_spoils_nothing(made: MadeRepository, custom: object) -> None:
    made.edit_targets(add(target_path(release("1.0.1")), custom))
    assert versions(made.client().refresh()) == ["1.0.0"]


def test_a_target_without_sha256_is_skipped(made: MadeRepository) -> None:
    fields = {"twinkeel": release_to_json(release("1.0.1"))}
    made.edit_targets(add(target_path(release("1.0.1")), fields, hashes={"md5": "00" * 16}))
    assert versions(made.client().refresh()) == ["1.0.0"]


def test_delegated_roles_offer_nothing(
    made: MadeRepository, caplog: pytest.LogCaptureFixture
) -> None:
    asked = Meddler(fetcher_for(str(made.directory), made.clock), {})

    def delegate(targets: Targets) -> None:
        targets.delegations = Delegations.from_dict(
            {
                "keys": {},
                "roles": [
                    {
                        "name": "../channel",
                        "keyids": [],
                        "threshold": 1,
                        "terminating": False,
                        "paths": ["*"],
                    }
                ],
            }
        )

    made.edit_targets(delegate)
    assert versions(made.client(fetcher=asked).refresh()) == ["1.0.0"]
    assert not [url for url, _ in asked.asked if "channel" in url]
    assert "delegations" in caplog.text


def add(
    path: str, custom: object, hashes: dict[str, str] | None = None
) -> Callable[[Targets], None]:
    def change(targets: Targets) -> None:
        fields = {} if custom is None else {"custom": custom}
        targets.targets[path] = TargetFile(1, hashes or {"sha256": "00" * 32}, path, fields)

    return change
