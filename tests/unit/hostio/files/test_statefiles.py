"""Small state files: one contract for the disk and for memory."""

import os
from pathlib import Path

import pytest

from hostio.files.preallocated import PreallocatedFile
from hostio.files.statefiles import DirectoryArchive, DurableFile, TextFile, VolatileFile
from osmodel.faults import HostFailure
from tests.fakes.ramfile import RamFile


@pytest.fixture(params=["durable", "preallocated", "volatile", "memory"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> TextFile:
    path = tmp_path / "made" / "state.json"
    made: dict[str, TextFile] = {
        "durable": DurableFile(path),
        "preallocated": PreallocatedFile(path, is_whole=bool),
        "volatile": VolatileFile(path),
        "memory": RamFile(),
    }
    return made[str(request.param)]


def test_a_missing_file_is_no_text(file: TextFile) -> None:
    assert file.read() is None


def test_what_was_written_is_read(file: TextFile) -> None:
    file.write("one\n")
    file.write("zwei: ü\n")
    assert file.read() == "zwei: ü\n"


def test_a_removed_file_is_missing(file: TextFile) -> None:
    file.write("one")
    file.remove()
    file.remove()
    assert file.read() is None


def test_damaged_text_is_read_as_far_as_possible(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"a\xffb")
    assert DurableFile(path).read() == "a\ufffdb"


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"a" * (3 << 20))
    assert len(DurableFile(path).read() or "") == 1 << 20


@pytest.mark.parametrize("kind", [DurableFile, VolatileFile])
def test_what_cannot_be_used_is_a_host_failure(tmp_path: Path, kind: type[DurableFile]) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "plain").write_text("")
    with pytest.raises(HostFailure):
        kind(tmp_path / "directory").read()
    with pytest.raises(HostFailure):
        kind(tmp_path / "plain" / "state.json").write("text")
    with pytest.raises(HostFailure):
        kind(tmp_path / "directory").remove()


def test_private_state_is_not_for_everybody(tmp_path: Path) -> None:
    DurableFile(tmp_path / "secret").write("x")
    DurableFile(tmp_path / "open", mode=0o644).write("x")
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "open").stat().st_mode & 0o777 == 0o644


def test_records_are_kept_and_the_oldest_go(tmp_path: Path) -> None:
    archive = DirectoryArchive(tmp_path / "failures")
    archive.prune(2)
    for number in range(4):
        place = archive.keep(f"1.0.{number}", "reason.txt", b"it panicked")
        archive.keep(f"1.0.{number}", "boot.log", b"journal")
        assert Path(place, "reason.txt").read_bytes() == b"it panicked"

        os.utime(place, (number, number))
    archive.prune(2)
    assert sorted(path.name for path in (tmp_path / "failures").iterdir()) == ["1.0.2", "1.0.3"]


def test_an_archive_that_cannot_be_pruned_is_a_host_failure(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises(HostFailure):
        DirectoryArchive(tmp_path / "plain").prune(1)
