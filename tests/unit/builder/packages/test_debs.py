"""Package files: whole and as locked, or not in the cache at all."""

import hashlib
from pathlib import Path

import pytest

from builder.packages.debs import DebCache
from builder.packages.lock import Archive, LockedPackage
from builder.packages.mirrors import Mirrors
from osmodel.faults import InvalidInput, UntrustedData
from tests.fakes.clock import StoppedClock
from tests.fakes.fetcher import RamFetcher

CONTENT = b"deb" * 1000
PATH = "pool/main/b/bash_5_amd64.deb"
BASH = LockedPackage(
    "bash", "5", "amd64", 3000, hashlib.sha256(CONTENT).hexdigest(), Archive.SECURITY, PATH
)
URL = f"http://m.example/debian-security/{PATH}"


def cache(tmp_path: Path, files: dict[str, bytes]) -> tuple[DebCache, RamFetcher]:
    mirrors = Mirrors("http://m.example/debian", "http://m.example/debian-security")
    fetcher = RamFetcher(files)
    return DebCache(tmp_path / "debs", lambda: mirrors, fetcher, StoppedClock()), fetcher


def test_a_package_is_fetched_once(tmp_path: Path) -> None:
    debs, fetcher = cache(tmp_path, {URL: CONTENT})
    seen: list[tuple[int, int]] = []
    assert debs.fetch([BASH], lambda *told: seen.append(told))[BASH].read_bytes() == CONTENT
    debs.fetch([BASH])
    assert fetcher.asked == [(URL, 0)]
    assert seen == [(3000, 3000)]


@pytest.mark.parametrize(
    "sent", [CONTENT[:-1], CONTENT + b"x", CONTENT * 9, b"x" * 3000, b""], ids=len
)
def test_other_bytes_than_the_locked_ones_never_enter_the_cache(
    tmp_path: Path, sent: bytes
) -> None:
    debs, _ = cache(tmp_path, {URL: sent})
    with pytest.raises(UntrustedData, match="not the 3000 bytes"):
        debs.fetch([BASH])
    assert list((tmp_path / "debs").iterdir()) == []


def test_a_package_that_left_the_archive_names_the_way_out(tmp_path: Path) -> None:
    debs, _ = cache(tmp_path, {})
    with pytest.raises(InvalidInput, match="bash 5 is gone from the archive") as caught:
        debs.fetch([BASH])
    assert "build-image lock" in caught.value.hint


def test_no_mirror_is_looked_for_when_everything_is_here(tmp_path: Path) -> None:
    debs, _ = cache(tmp_path, {})

    def unasked() -> Mirrors:
        raise AssertionError("nothing is missing")

    debs.directory.mkdir()
    debs.path(BASH).write_bytes(CONTENT)
    DebCache(debs.directory, unasked, RamFetcher({}), StoppedClock()).fetch([BASH])
