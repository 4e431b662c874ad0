"""What a repository says beyond TUF."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from osmodel.faults import InvalidInput
from osmodel.release import Release, release_to_json
from osmodel.repository import (
    EXPIRES_AFTER,
    Offer,
    OfferedPayload,
    Target,
    custom_fields,
    issued_text,
    metadata_name,
    offers,
    parse_issued,
    stored_path,
    target_path,
    validity_of,
)
from osmodel.version import Version

RELEASE = Release("minimal", "x86_64", "uefi", Version((1, 0, 1)), "ab" * 32)
SOURCE = "12" * 32
SHA256, SHA512 = "cd" * 32, "ef" * 64


def target(source: str | None = None, **changes: object) -> Target:
    made = Target(
        target_path(RELEASE, source),
        10 if source else 100,
        {"sha256": SHA256},
        custom_fields(RELEASE, source, "00" * 32),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # a test names what it changes


def test_a_payload_lies_below_image_architecture_platform_and_version() -> None:
    assert target_path(RELEASE) == "minimal/x86_64/uefi/1.0.1/full.payload"
    assert target_path(RELEASE, SOURCE) == f"minimal/x86_64/uefi/1.0.1/from-{SOURCE}.payload"


def test_the_digest_is_part_of_a_stored_name() -> None:
    assert stored_path("a/b/c", "12") == "a/b/12.c"
    assert stored_path("c", "12") == "12.c"


def test_metadata_has_its_version_in_its_name_but_for_the_timestamp() -> None:
    assert metadata_name("root", 3) == "3.root.json"
    assert metadata_name("timestamp", 3) == "timestamp.json"


def test_a_release_is_offered_with_all_its_payloads() -> None:
    (offer,), skipped = offers([target(), target(SOURCE)])
    full = OfferedPayload(target_path(RELEASE), 100, {"sha256": SHA256})
    delta = OfferedPayload(target_path(RELEASE, SOURCE), 10, {"sha256": SHA256}, SOURCE)
    assert offer == Offer(RELEASE, (full, delta))
    assert not skipped


def test_two_releases_under_one_version_are_two_offers() -> None:
    other = replace(RELEASE, root_hash="99" * 32)
    second = target(path=target_path(other), custom=custom_fields(other, None, "00" * 32))
    found, _ = offers([target(), second])
    assert {offer.release for offer in found} == {RELEASE, other}


@pytest.mark.parametrize("custom", [None, {}, {"other": 1}, "text", 7, [], {"twinkeel": None}])
def test_a_target_that_is_no_release_is_neither_offered_nor_skipped(custom: object) -> None:
    assert offers([target(custom=custom)]) == ((), ())


@pytest.mark.parametrize(
    "broken",
    [
        target(path="../x"),
        target(path=target_path(RELEASE, SOURCE)),
        target(SOURCE, path=target_path(RELEASE)),
        target(custom={"twinkeel": "1.0.1"}),
        target(custom={"twinkeel": {}}),
        target(custom={"twinkeel": {**release_to_json(RELEASE), "version": 1}}),
        target(custom={**custom_fields(RELEASE, None, ""), "x-twinkeel-source": 7}),
        target(custom=custom_fields(RELEASE, "../../x", "")),
        target(hashes={}),
        target(hashes={"md5": "00" * 16}),
        target(hashes={"sha256": "x"}),
        target(hashes={"sha256": SHA256.upper()}),
    ],
    ids=range(12),
)
def test_a_release_that_breaks_a_rule_is_skipped_and_the_others_stand(broken: Target) -> None:
    whole = target(SOURCE)
    found, (skipped,) = offers([broken, whole])
    assert [payload.source for offer in found for payload in offer.payloads] == [SOURCE]
    assert skipped.path == broken.path
    assert skipped.reason


def test_either_hash_will_do_and_the_first_names_the_file() -> None:
    for hashes, digest in (
        ({"sha512": SHA512}, SHA512),
        ({"sha512": SHA512, "sha256": SHA256}, SHA256),
        ({"sha512": SHA512, "blake2b-256": "00"}, SHA512),
    ):
        (offer,), _ = offers([target(hashes=hashes)])
        (payload,) = offer.payloads
        assert payload.stored_path == f"minimal/x86_64/uefi/1.0.1/{digest}.full.payload"
        assert set(payload.hashes) == set(hashes) - {"blake2b-256"}


def test_the_time_of_signing_survives_its_writing() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert issued_text(moment) == "2026-01-02T03:04:05Z"
    assert parse_issued(issued_text(moment)) == moment
    nonsense: list[object] = [None, "", 7, "2026-01-02", "x", {}]
    assert [parse_issued(value) for value in nonsense] == [None] * len(nonsense)


def test_validity_is_counted_in_days() -> None:
    assert validity_of({EXPIRES_AFTER: 7}) == timedelta(days=7)
    assert validity_of({}) == timedelta(days=1)


@pytest.mark.parametrize("days", ["7", 0, -1, 3651, 1.5, True, None, []])
def test_a_validity_that_is_no_number_of_days_is_refused(days: object) -> None:
    with pytest.raises(InvalidInput, match="not 1 to 3650 days"):
        validity_of({EXPIRES_AFTER: days})
