from dataclasses import replace

import pytest

from osmodel.release import Release
from osmodel.version import Version
from update_engine.core.offers import Accept, Host, Reason, Refusal, choose, judge

ROOT = "ab" * 32
HOST = Host("minimal", "x86_64", "uefi", Version.parse("1.0.0"))


def release(version: str = "1.0.1", **changes: object) -> Release:
    made = Release("minimal", "x86_64", "uefi", Version.parse(version), ROOT)
    return replace(made, **changes)  # type: ignore[arg-type] # fields of a release, by name


def reason(of: Release, host: Host = HOST) -> Reason | None:
    judged = judge(of, host)
    return judged.reason if isinstance(judged, Refusal) else None


def test_a_newer_release_for_this_machine_is_accepted() -> None:
    assert judge(release(), HOST) == Accept(release())


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (release(image="node"), Reason.OTHER_IMAGE),
        (release(architecture="arm64"), Reason.OTHER_ARCHITECTURE),
        (release(platform="rpi"), Reason.OTHER_PLATFORM),
        (release("1.0.0"), Reason.NOT_NEWER),
        (release("0.9.0"), Reason.NOT_NEWER),
        (release(min_version=Version.parse("1.0.0.1")), Reason.NEEDS_STEP),
    ],
)
def test_everything_else_is_refused_for_one_reason(other: Release, why: Reason) -> None:
    assert reason(other) is why


def test_a_release_that_can_follow_this_version_is_accepted() -> None:
    assert reason(release(min_version=Version.parse("1.0.0"))) is None


def test_a_version_below_the_floor_is_refused_though_it_is_newer() -> None:
    host = replace(HOST, floor=Version.parse("1.0.2"))
    assert reason(release("1.0.1"), host) is Reason.BELOW_FLOOR
    assert reason(release("1.0.2"), host) is None


def test_a_root_that_failed_here_is_refused_and_its_reason_told() -> None:
    judged = judge(release(), replace(HOST, quarantined={ROOT: "it panicked"}))
    assert isinstance(judged, Refusal)
    assert judged.reason is Reason.QUARANTINED
    assert "it panicked" in judged.text


def test_the_same_version_rebuilt_is_not_in_quarantine() -> None:
    host = replace(HOST, quarantined={"cd" * 32: "it panicked"})
    assert reason(release(), host) is None


def test_a_quarantine_without_a_reason_still_refuses() -> None:
    assert reason(release(), replace(HOST, quarantined={ROOT: ""})) is Reason.QUARANTINED


def test_the_newest_accepted_release_is_chosen() -> None:
    choice = choose([release("1.0.1"), release("1.10.0"), release("1.9.0")], HOST)
    assert choice.release == release("1.10.0")


def test_an_intermediate_release_is_chosen_when_the_newest_needs_it() -> None:
    newest = release("3.0.0", min_version=Version.parse("2.0.0"))
    choice = choose([newest, release("2.0.0")], HOST)
    assert choice.release == release("2.0.0")
    assert [one.reason for one in choice.refused] == [Reason.NEEDS_STEP]


def test_an_empty_repository_offers_nothing() -> None:
    assert choose([], HOST).release is None


def test_each_refusal_is_a_sentence_with_both_sides() -> None:
    judged = judge(release(image="node"), HOST)
    assert isinstance(judged, Refusal)
    assert judged.text == "it is for image node, this is minimal"
