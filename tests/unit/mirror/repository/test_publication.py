"""Publishing into a repository, whole or not at all."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from mirror.release.builtrelease import BuiltPayload, read
from mirror.repository.lock import locked
from mirror.repository.publication import publish
from mirror.signing.keys import PrivateKey, SigningKey
from osmodel.faults import HostFailure, InvalidInput, TransientFailure, UntrustedData
from tests.fakes.repository import (
    MadeRepository,
    built,
    copied,
    files,
    made_repository,
    release,
    versions,
)


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    return made_repository(tmp_path)


def test_too_few_keys_are_refused_and_the_missing_counted(made: MadeRepository) -> None:
    before = files(made.directory)
    for signers in (0, 1):
        with pytest.raises(InvalidInput, match=f"{signers} given: {2 - signers} missing"):
            made.publish("1.0.0", signers=signers)
    assert files(made.directory) == before


def test_one_key_given_twice_counts_once(made: MadeRepository, tmp_path: Path) -> None:
    (key,) = made.keys("targets", 1)
    directory = built(tmp_path / "built", release("1.0.0"), b"payload")
    with pytest.raises(InvalidInput, match="1 missing"):
        publish(
            made.directory,
            read(directory),
            [key, key, *made.keys("timestamp")],
            made.clock,
            copied,
        )


def test_without_the_online_key_nothing_is_written(made: MadeRepository, tmp_path: Path) -> None:
    before = files(made.directory)
    directory = built(tmp_path / "built", release("1.0.0"), b"payload")
    with pytest.raises(InvalidInput, match="role snapshot needs"):
        publish(made.directory, read(directory), made.keys("targets"), made.clock, copied)
    assert files(made.directory) == before


def test_the_payload_is_signed_with_exactly_the_release_keys(tmp_path: Path) -> None:
    used: list[PrivateKey] = []

    def signing(of: BuiltPayload, target: Path, keys: Sequence[PrivateKey]) -> None:
        used.extend(keys)
        target.write_bytes(of.path.read_bytes() + b" signed")

    made = made_repository(tmp_path, signing=signing)
    done = made.publish("1.0.0", b"payload", signers=2)
    assert [SigningKey("", key).keyid for key in used] == [
        key.keyid for key in made.keys("targets", 2)
    ]
    assert done.full.size == len(b"payload signed")


def test_publishing_the_same_again_changes_nothing(made: MadeRepository) -> None:
    first = made.publish("1.0.0", b"payload")
    before = files(made.directory)
    again = made.publish("1.0.0", b"payload")
    assert (first.changed, again.changed) == (True, False)
    assert again.payloads == first.payloads
    assert files(made.directory) == before


DELTAS = {"12" * 32: b"delta", "34" * 32: b"another delta"}


def test_a_release_is_published_with_its_deltas(made: MadeRepository) -> None:
    done = made.publish("1.0.1", b"full payload", deltas=DELTAS)
    assert [payload.source for payload in done.payloads] == [None, *DELTAS]
    (offer,) = made.client().refresh()
    lengths = {payload.source or "": payload.length for payload in offer.payloads}
    assert lengths == {"": 12} | {source: len(content) for source, content in DELTAS.items()}
    host = made.client()
    for payload in offer.payloads:
        with host.open(payload) as stream:
            assert stream.read(100) == (
                DELTAS[payload.source] if payload.source else b"full payload"
            )


def test_a_delta_may_follow_its_release(made: MadeRepository) -> None:
    made.publish("1.0.1", b"full payload")
    before = files(made.directory / "targets")
    done = made.publish("1.0.1", b"full payload", deltas=DELTAS)
    assert done.changed
    assert before.items() < files(made.directory / "targets").items()
    again = made.publish("1.0.1", b"full payload", deltas=DELTAS)
    assert (again.changed, again.payloads) == (False, done.payloads)


def test_a_version_is_never_replaced(made: MadeRepository) -> None:
    made.publish("1.0.0", b"payload")
    before = files(made.directory)
    with pytest.raises(InvalidInput, match="published with other bytes"):
        made.publish("1.0.0", b"another payload")
    with pytest.raises(InvalidInput, match="published with other bytes"):
        made.publish(release("1.0.0", root_hash="cd" * 32), b"payload")
    assert files(made.directory) == before


def test_a_publication_killed_at_any_moment_leaves_the_old_repository_valid(
    made: MadeRepository, tmp_path: Path
) -> None:
    made.publish("1.0.0", b"first")
    before = files(made.directory)
    made.publish("1.0.1", b"second")
    after = files(made.directory)
    payload = next(name for name in after if name not in before and "1.0.1" in name)
    order = [
        payload,
        "metadata/3.targets.json",
        "metadata/3.snapshot.json",
        "metadata/timestamp.json",
    ]
    assert {name for name in after if after[name] != before.get(name)} == set(order)
    for killed_after in range(len(order) + 1):
        copy = tmp_path / f"killed-{killed_after}"
        for name, content in {
            **before,
            **{name: after[name] for name in order[:killed_after]},
        }.items():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes(content)
        killed = MadeRepository(copy, made.created, made.clock)
        complete = killed_after == len(order)
        expected = ["1.0.0", "1.0.1"] if complete else ["1.0.0"]
        assert versions(killed.client(tmp_path / f"cache-{killed_after}").refresh()) == expected
        # And publishing again completes it, for a host that saw the half of it too.
        killed.publish("1.0.1", b"second")
        offers = killed.client(tmp_path / f"cache-{killed_after}").refresh()
        assert versions(offers) == ["1.0.0", "1.0.1"]
        assert len(list((copy / payload).parent.iterdir())) == 1


def test_files_are_written_in_the_order_that_keeps_them_valid(made: MadeRepository) -> None:
    made.publish("1.0.0")
    changed = [
        made.directory / "metadata" / name
        for name in ("2.targets.json", "2.snapshot.json", "timestamp.json")
    ]
    times = [path.stat().st_mtime_ns for path in changed]
    assert times == sorted(times)


def test_a_signer_that_fails_leaves_the_repository_as_it_was(tmp_path: Path) -> None:
    def failing(of: BuiltPayload, target: Path, keys: Sequence[PrivateKey]) -> None:
        del of, keys
        target.write_bytes(b"half")
        raise HostFailure("no space left")

    made = made_repository(tmp_path, signing=failing)
    before = files(made.directory / "metadata")
    with pytest.raises(HostFailure):
        made.publish("1.0.0")
    assert files(made.directory / "metadata") == before
    made.signing = copied
    made.publish("1.0.0")
    assert versions(made.client().refresh()) == ["1.0.0"]


def test_two_publications_at_once_are_not_possible(made: MadeRepository) -> None:
    descriptor = os.open(made.directory, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(TransientFailure, match="another update-mirror"), locked(made.directory):
        pass
    os.close(descriptor)
    made.publish("1.0.0")


def test_a_damaged_repository_is_not_published_into(made: MadeRepository) -> None:
    content = json.loads(made.metadata("1.targets.json").read_bytes())
    content["signed"]["version"] = 7
    made.metadata("1.targets.json").write_text(json.dumps(content))
    with pytest.raises(UntrustedData, match="targets"):
        made.publish("1.0.0")


@pytest.mark.parametrize("name", ["1.root.json", "timestamp.json", "1.snapshot.json"])
def test_a_directory_that_is_no_repository_is_explained(made: MadeRepository, name: str) -> None:
    made.metadata(name).unlink()
    with pytest.raises(InvalidInput, match="is not a whole repository"):
        made.publish("1.0.0")
