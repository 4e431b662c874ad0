"""From a built release through the mirror to an opened payload on a host."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mirror.release.builtrelease import read
from mirror.release.releasesigner import sign_release
from mirror.repository.publication import publish
from osmodel.faults import UntrustedData
from osmodel.release import release_to_json
from tests.fakes.payloads import small_release, unsigned
from tests.fakes.repository import MadeRepository, built, made_repository
from update_engine.install.payload import open_payload
from update_engine.repository.keys import Trust


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    return made_repository(tmp_path, signing=sign_release)


def test_a_host_opens_what_the_mirror_signed(made: MadeRepository) -> None:
    small = small_release("1.0.1")
    made.publish(small.release, unsigned(small), signers=2)
    host = made.client()
    (offer,) = host.refresh()
    with host.open(offer.payloads[0]) as stream:
        assert open_payload(stream, host.trust()).release == offer.release == small.release


def test_another_repositorys_keys_do_not_open_it(made: MadeRepository, tmp_path: Path) -> None:
    small = small_release("1.0.1")
    made.publish(small.release, unsigned(small))
    other = made_repository(tmp_path, name="other").client()
    host = made.client()
    (offer,) = host.refresh()
    with host.open(offer.payloads[0]) as stream, pytest.raises(UntrustedData):
        open_payload(stream, other.trust())


def test_a_payload_is_held_to_the_threshold_of_the_root(made: MadeRepository) -> None:
    small = small_release("1.0.1")
    made.publish(small.release, unsigned(small), signers=2)
    host = made.client()
    (offer,) = host.refresh()
    stricter = Trust(3, host.trust().keys)
    with host.open(offer.payloads[0]) as stream, pytest.raises(UntrustedData):
        open_payload(stream, stricter)


def test_a_payload_of_another_release_than_the_manifest_is_not_published(
    made: MadeRepository, tmp_path: Path
) -> None:
    small = small_release("1.0.1")
    claimed = replace(small.release, root_hash="ab" * 32)
    directory = built(tmp_path / "built", claimed, unsigned(small))
    assert json.loads((directory / "manifest.json").read_text())["release"] == release_to_json(
        claimed
    )
    keys = [*made.keys("targets"), *made.keys("timestamp")]
    with pytest.raises(UntrustedData, match="the manifest says"):
        publish(made.directory, read(directory), keys, made.clock, sign_release)
    assert not made.now.targets.signed.targets


def test_a_file_that_is_no_payload_is_not_published(made: MadeRepository) -> None:
    with pytest.raises(UntrustedData):
        made.publish("1.0.1", b"not a payload")
    assert not made.now.targets.signed.targets
