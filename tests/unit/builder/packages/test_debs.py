"""Package files: whole and as locked, or not in the cache at all."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from builder.packages.debs import DebCache, Gathered
from builder.packages.lock import LOCAL, Archive, LockedPackage
from builder.packages.mirrors import Mirrors
from hostio.net.budget import Budget
from hostio.net.fetch import ByteStream
from osmodel.faults import InvalidInput, TransientFailure, UntrustedData
from tests.fakes.clock import StoppedClock
from tests.fakes.fetcher import RamFetcher

CONTENT = b"deb" * 1000
PATH = "pool/main/b/bash_5+b1_amd64.deb"
QUOTED = PATH.replace("+", "%2B")
BASH = LockedPackage(
    "bash", "5", "amd64", 3000, hashlib.sha256(CONTENT).hexdigest(), Archive.SECURITY, PATH
)
URL = f"http://m.example/debian-security/{QUOTED}"
TIME = "20260101T000000Z"
SNAPSHOT = "http://s.example/archive/debian-security"


class Archives(RamFetcher):
    """Mirrors, and a snapshot service that may be down."""

    def __init__(self, files: dict[str, bytes], *, is_down: bool = False) -> None:
        super().__init__(files)
        self.is_down = is_down

    def open(self, url: str, offset: int = 0, budget: Budget | None = None) -> ByteStream:
        if self.is_down and url.startswith("http://s.example/"):
            self.asked.append((url, offset))
            raise TransientFailure("no route to host")
        return super().open(url, offset, budget)


def cache(
    tmp_path: Path, files: dict[str, bytes], *, is_down: bool = False
) -> tuple[DebCache, Archives]:
    mirrors = Mirrors(
        "http://m.example/debian",
        "http://m.example/debian-security",
        "http://s.example",
        {"local": f"file://{tmp_path}"},
    )
    fetcher = Archives(files, is_down=is_down)
    return DebCache(tmp_path / "debs", lambda: mirrors, fetcher, StoppedClock()), fetcher


def test_a_package_is_fetched_once(tmp_path: Path) -> None:
    debs, fetcher = cache(tmp_path, {URL: CONTENT})
    seen: list[tuple[int, int]] = []
    debs.gather([BASH], TIME, lambda *told: seen.append(told))
    assert debs.fetch([BASH])[BASH].read_bytes() == CONTENT
    assert fetcher.asked == [(URL, 0)]
    assert seen == [(3000, 3000)]


@pytest.mark.parametrize(
    "sent", [CONTENT[:-1], CONTENT + b"x", CONTENT * 9, b"x" * 3000, b""], ids=len
)
@pytest.mark.parametrize("url", [URL, f"{SNAPSHOT}/{TIME}/{QUOTED}"], ids=["mirror", "snapshot"])
def test_other_bytes_than_the_locked_ones_never_enter_the_cache(
    tmp_path: Path, url: str, sent: bytes
) -> None:
    debs, _ = cache(tmp_path, {url: sent})
    with pytest.raises(UntrustedData, match="not the 3000 bytes"):
        debs.fetch([BASH], TIME)
    assert list((tmp_path / "debs").iterdir()) == []


@pytest.mark.parametrize("day", [TIME, "20260102T000000Z"])
def test_what_the_mirror_lost_comes_from_the_snapshot_of_the_day_or_the_next(
    tmp_path: Path, day: str
) -> None:
    debs, _ = cache(tmp_path, {f"{SNAPSHOT}/{day}/{QUOTED}": CONTENT})
    assert debs.gather([BASH], TIME) == Gathered(recovered=(BASH,))
    assert debs.path(BASH).read_bytes() == CONTENT


def test_a_package_that_left_the_archive_names_the_way_out(tmp_path: Path) -> None:
    debs, _ = cache(tmp_path, {})
    with pytest.raises(InvalidInput, match=r"archive: bash 5 \(.*not have it") as caught:
        debs.fetch([BASH], TIME)
    assert "build-image lock" in caught.value.hint


def test_a_snapshot_service_that_is_down_is_asked_once(tmp_path: Path) -> None:
    packages = [replace(BASH, sha256=f"{number:064x}", name=f"p{number}") for number in range(20)]
    debs, fetcher = cache(tmp_path, {}, is_down=True)
    with pytest.raises(InvalidInput, match=r"p0 5, p1, p10 and 17 more .* cannot be reached"):
        debs.fetch(packages, TIME)
    assert len([url for url, _ in fetcher.asked if url.startswith("http://s.")]) == 1


def test_packages_of_other_archives_are_not_looked_for_in_debians_snapshots(
    tmp_path: Path,
) -> None:
    debs, fetcher = cache(tmp_path, {})
    with pytest.raises(InvalidInput, match="gone"):
        debs.fetch([replace(BASH, archive=LOCAL)], TIME)
    assert fetcher.asked == []


def test_a_package_beside_the_definition_is_read_and_checked(tmp_path: Path) -> None:
    debs, _ = cache(tmp_path, {})
    package = replace(BASH, archive=LOCAL, path="own/debs/bash.deb")
    (tmp_path / "own/debs").mkdir(parents=True)
    (tmp_path / package.path).write_bytes(CONTENT)
    assert debs.fetch([package])[package].read_bytes() == CONTENT
    changed = replace(package, sha256="0" * 64)
    with pytest.raises(InvalidInput, match="not the file of the lock") as caught:
        debs.fetch([changed])
    assert "build-image lock" in caught.value.hint


def test_no_mirror_is_looked_for_when_everything_is_here(tmp_path: Path) -> None:
    debs, _ = cache(tmp_path, {})

    def unasked() -> Mirrors:
        raise AssertionError("nothing is missing")

    debs.directory.mkdir()
    debs.path(BASH).write_bytes(CONTENT)
    DebCache(debs.directory, unasked, RamFetcher({}), StoppedClock()).fetch([BASH])


def test_the_archive_is_asked_for_each_package_and_nothing_is_kept(tmp_path: Path) -> None:
    debs, _ = cache(tmp_path, {URL: CONTENT})
    gone = replace(BASH, path="pool/gone.deb")
    assert debs.lacking([BASH, gone]) == (gone,)
    assert not debs.directory.exists()
