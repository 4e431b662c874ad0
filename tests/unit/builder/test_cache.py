"""The builder's cache: entries are whole, made once, and do not pile up."""

import os
import threading
from pathlib import Path

import pytest

from builder.cache import Cache, Limits
from osmodel.faults import HostFailure

HOUR = 3600.0
NOW = 1_800_000_000.0


class Maker:
    """Makes an entry; counts how often it was asked to."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.calls = 0

    def __call__(self, out: Path) -> None:
        self.calls += 1
        (out / "file").write_text(self.text)


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    cache, make = Cache(tmp_path), Maker("x")
    for _ in range(3):
        assert (cache.entry("steps", "a-1", make) / "file").read_text() == "x"
    assert make.calls == 1


def test_a_failure_leaves_no_entry(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fail(out: Path) -> None:
        (out / "half").touch()
        raise HostFailure("no space")

    with pytest.raises(HostFailure):
        cache.entry("steps", "a-1", fail)
    assert not cache.ready("steps", "a-1")
    assert (cache.entry("steps", "a-1", Maker("x")) / "file").exists()
    assert not (cache.place("steps", "a-1") / "half").exists()


def test_what_an_interrupted_build_left_is_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "steps/.a-1.draft").mkdir(parents=True)
    (tmp_path / "steps/.a-1.draft/rest").touch()
    entry = Cache(tmp_path).entry("steps", "a-1", Maker("x"))
    assert [path.name for path in entry.iterdir()] == ["file"]


def test_two_builds_make_an_entry_once(tmp_path: Path) -> None:
    cache, make = Cache(tmp_path), Maker("x")
    threads = [threading.Thread(target=cache.entry, args=("steps", "a", make)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert make.calls == 1


def aged(cache: Cache, name: str, hours: float) -> Path:
    path = cache.entry("steps", name, Maker(name))
    for each in (path, path.with_name(f".{name}.lock")):
        os.utime(each, (NOW - hours * HOUR,) * 2)
    return path


def test_entries_that_nobody_used_for_long_are_dropped(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    old, young = aged(cache, "a-1", 50), aged(cache, "a-2", 10)
    cache.prune("steps", Limits(oldest=24 * HOUR, most=9), NOW)
    assert (old.exists(), young.exists()) == (False, True)
    assert not old.with_name(".a-1.lock").exists()


def test_only_the_latest_entries_of_one_name_stay(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    paths = [aged(cache, f"a-{age}", age) for age in (2, 3, 4)] + [aged(cache, "b-9", 9)]
    cache.prune("steps", Limits(oldest=24 * HOUR, most=2), NOW)
    assert [path.exists() for path in paths] == [True, True, False, True]


def test_what_another_build_may_be_reading_stays(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    paths = [aged(cache, f"a-{age}", age / 10) for age in (1, 2, 3)]
    cache.prune("steps", Limits(oldest=24 * HOUR, most=1), NOW)
    assert all(path.exists() for path in paths)


def test_a_use_counts(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    path = aged(cache, "a-1", 50)
    assert cache.ready("steps", "a-1")
    cache.prune("steps", Limits(oldest=24 * HOUR, most=9), path.stat().st_mtime)
    assert path.exists()
