"""Versions that fail in every way a version can; the machine always falls back."""

import pytest

from tests.qemu.observations import Observations

# How a version is bad, its number, and the boots until the good one runs again.
BAD = {
    "unhealthy": ("1.0.2", 4),
    "panics": ("1.0.3", 2),
    "truncate": ("1.0.4", 2),
    "wrong-root": ("1.0.5", 2),
    "corrupt": ("1.0.6", 2),
}
WAYS = pytest.mark.parametrize("way", BAD)


@WAYS
def test_the_machine_falls_back_to_the_version_it_had(bad_versions: Observations, way: str) -> None:
    status = bad_versions.status(f"{way}: fallback")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.0", "a", "healthy")


@WAYS
def test_it_takes_as_many_boots_as_the_version_had_tries(
    bad_versions: Observations, way: str
) -> None:
    _, boots = BAD[way]
    assert int(bad_versions.text(f"{way}: boots")) == boots


@WAYS
def test_the_loader_leaves_the_bad_entry_alone(bad_versions: Observations, way: str) -> None:
    version, _ = BAD[way]
    entries = bad_versions.text(f"{way}: entries").splitlines()
    # Or it is gone: a file that cannot be read cannot be booted by hand either.
    assert entries in (["1.0.0 good", f"{version} left 0"], ["1.0.0 good"])


@WAYS
def test_the_bad_version_is_quarantined_with_a_reason(bad_versions: Observations, way: str) -> None:
    quarantined = bad_versions.status(f"{way}: status")["quarantined"]
    assert isinstance(quarantined, list)
    reasons = {one["version"]: one["reason"] for one in quarantined}
    assert reasons.get(BAD[way][0])


@WAYS
def test_why_tells_what_happened(bad_versions: Observations, way: str) -> None:
    assert BAD[way][0] in bad_versions.text(f"{way}: why")


def test_the_failed_health_check_is_named(bad_versions: Observations) -> None:
    assert "90-broken" in bad_versions.text("unhealthy: why")


def test_the_journals_of_all_failed_boots_are_kept(bad_versions: Observations) -> None:
    _, boots = BAD["unhealthy"]
    assert len(bad_versions.text("unhealthy: kept").splitlines()) == boots - 1


def test_a_quarantined_version_is_not_installed_again(bad_versions: Observations) -> None:
    assert "1.0.2" in bad_versions.text("unhealthy: again")
    assert '"armed"' not in bad_versions.text("unhealthy: again")


def test_after_all_of_it_no_unit_has_failed(bad_versions: Observations) -> None:
    assert bad_versions.text("the end: failed units").strip() == ""
