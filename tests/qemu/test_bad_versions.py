"""Versions that fail in every way a version can; the machine always comes back."""

import pytest

from tests.qemu.diary import Diary

# How a version is bad, its number, and the starts until the good one runs again.
BAD = {
    "ill": ("1.0.2", 4),
    "panics": ("1.0.3", 2),
    "truncate": ("1.0.4", 2),
    "wrong-root": ("1.0.5", 2),
    "corrupt": ("1.0.6", 2),
}
WAYS = pytest.mark.parametrize("way", BAD)


@WAYS
def test_the_machine_comes_back_with_the_version_it_had(bad_versions: Diary, way: str) -> None:
    status = bad_versions.status(f"{way}: came back")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.0", "a", "healthy")


@WAYS
def test_it_takes_as_many_starts_as_the_version_had_tries(bad_versions: Diary, way: str) -> None:
    _, starts = BAD[way]
    assert int(bad_versions.text(f"{way}: starts")) == starts


@WAYS
def test_the_loader_leaves_the_bad_entry_alone(bad_versions: Diary, way: str) -> None:
    version, _ = BAD[way]
    entries = bad_versions.text(f"{way}: entries").splitlines()
    # Or it is gone: a file that cannot be read is of no use to anyone.
    assert entries in (["1.0.0 good", f"{version} left 0"], ["1.0.0 good"])


@WAYS
def test_the_bad_version_is_quarantined_with_a_reason(bad_versions: Diary, way: str) -> None:
    quarantined = bad_versions.status(f"{way}: status")["quarantined"]
    assert isinstance(quarantined, list)
    reasons = {one["version"]: one["reason"] for one in quarantined}
    assert reasons.get(BAD[way][0])


@WAYS
def test_why_tells_what_happened(bad_versions: Diary, way: str) -> None:
    assert BAD[way][0] in bad_versions.text(f"{way}: why")


def test_the_failed_health_check_is_named(bad_versions: Diary) -> None:
    assert "90-broken" in bad_versions.text("ill: why")


def test_the_journals_of_all_failed_starts_are_kept(bad_versions: Diary) -> None:
    _, starts = BAD["ill"]
    assert len(bad_versions.text("ill: kept").splitlines()) == starts - 1


def test_a_quarantined_version_is_not_installed_again(bad_versions: Diary) -> None:
    assert "1.0.2" in bad_versions.text("ill: again")
    assert '"armed"' not in bad_versions.text("ill: again")


def test_after_all_of_it_no_unit_has_failed(bad_versions: Diary) -> None:
    assert bad_versions.text("the end: failed units").strip() == ""
