"""Files that every web server can read, and that survive a power cut."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mirror.repository.publicfiles import make_directory, move_into_place, write_file
from osmodel.faults import HostFailure
from tests.fakes.repository import MadeRepository, made_repository
from tests.fakes.syscalls import recorded_calls


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(directory: Path) -> set[tuple[str, int]]:
    found = [directory, *directory.rglob("*")]
    return {
        ("directory" if path.is_dir() else "file", stat.S_IMODE(path.stat().st_mode))
        for path in found
    }


@pytest.mark.parametrize("mask", [0o077, 0o022, 0o000, 0o177])
def test_a_repository_is_readable_by_all_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        made = made_repository(tmp_path)
        made.publish("1.0.0")
        made.refresh()
    assert modes(made.directory) == {("directory", 0o755), ("file", 0o644)}


def test_a_refresh_under_another_umask_keeps_a_repository_readable(tmp_path: Path) -> None:
    made = made_repository(tmp_path)
    with umask(0o077):
        made.refresh()
    assert modes(made.directory) == {("directory", 0o755), ("file", 0o644)}


def test_private_keys_stay_private_whatever_the_umask(tmp_path: Path) -> None:
    with umask(0):
        made: MadeRepository = made_repository(tmp_path)
    assert modes(made.directory.with_name("mirror.keys")) == {("directory", 0o700), ("file", 0o600)}


def test_directories_that_are_there_keep_their_modes(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o750)
    make_directory(tmp_path / "mine" / "new" / "deep")
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o750
    make_directory(tmp_path / "mine")
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o750


def test_a_file_in_the_place_of_a_directory_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(HostFailure, match="file"):
            make_directory(path)


def test_a_finished_file_is_flushed_before_it_has_its_name_and_the_names_after(
    tmp_path: Path,
) -> None:
    make_directory(tmp_path / "targets" / "a" / "b")
    finished = tmp_path / "targets" / "a" / "b" / ".signing"
    finished.write_bytes(b"payload")
    with recorded_calls() as calls:
        move_into_place(finished, finished.with_name("payload"), top=tmp_path)
    assert calls == ["fsync", "rename", *["fsync"] * 4]


def test_metadata_is_flushed_before_it_has_its_name_and_the_name_after(tmp_path: Path) -> None:
    with recorded_calls() as calls:
        write_file(tmp_path / "timestamp.json", b"{}")
    assert calls == ["fsync", "rename", "fsync"]


def test_a_published_payload_is_durable_before_any_metadata_names_it(tmp_path: Path) -> None:
    made = made_repository(tmp_path)
    with recorded_calls() as calls:
        made.publish("1.0.0")
    # The payload with six directories, then targets, snapshot and timestamp.
    metadata = ["fsync", "rename", "fsync"] * 3
    assert calls == ["fsync", "rename", *["fsync"] * 6, *metadata]
