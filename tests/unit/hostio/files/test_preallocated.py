"""The two files of a text that can be written on a full disk."""

import fcntl
import threading
from pathlib import Path

import pytest

from hostio.files.preallocated import PreallocatedFile
from osmodel.faults import HostFailure


def place(directory: Path) -> tuple[Path, Path]:
    return directory / "state.json", directory / "state.json.copies"


def test_people_and_older_versions_read_the_plain_file(tmp_path: Path) -> None:
    plain, _ = place(tmp_path)
    PreallocatedFile(plain).write('{"v": 1}')
    assert plain.read_text() == '{"v": 1}'


def test_what_an_older_version_writes_counts(tmp_path: Path) -> None:
    plain, _ = place(tmp_path)
    file = PreallocatedFile(plain)
    for text in ('{"v": 1}', '{"v": 2}'):
        file.write(text)
    plain.write_text('{"v": 1}')
    assert file.read() == '{"v": 1}'


def test_a_lost_or_damaged_plain_file_costs_nothing(tmp_path: Path) -> None:
    plain, _ = place(tmp_path)
    PreallocatedFile(plain).write('{"v": 1}')
    plain.write_text('{"v"')
    assert PreallocatedFile(plain).read() == '{"v": 1}'
    plain.unlink()
    assert PreallocatedFile(plain).read() == '{"v": 1}'
    plain.mkdir()
    assert PreallocatedFile(plain).read() == '{"v": 1}'


def test_lost_or_damaged_copies_cost_nothing(tmp_path: Path) -> None:
    plain, copies = place(tmp_path)
    for damage in (copies.unlink, lambda: copies.write_bytes(b"x" * 99)):
        PreallocatedFile(plain).write('{"v": 1}')
        damage()
        assert PreallocatedFile(plain).read() == '{"v": 1}'
        PreallocatedFile(plain).write('{"v": 2}')
        plain.unlink()
        assert PreallocatedFile(plain).read() == '{"v": 2}'


def test_copies_of_another_size_are_used_as_they_are(tmp_path: Path) -> None:
    plain, copies = place(tmp_path)
    PreallocatedFile(plain, capacity=100).write('{"v": 1}')
    size = copies.stat().st_size
    PreallocatedFile(plain, capacity=100_000).write('{"v": 2}')
    assert copies.stat().st_size == size
    plain.unlink()
    assert PreallocatedFile(plain).read() == '{"v": 2}'


def test_only_the_owner_can_hold_the_copies(tmp_path: Path) -> None:
    plain, copies = place(tmp_path)
    PreallocatedFile(plain, mode=0o644).write("{}")
    assert plain.stat().st_mode & 0o777 == 0o644
    assert copies.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_being_changed_can_be_read_and_not_changed(tmp_path: Path) -> None:
    plain, copies = place(tmp_path)
    file = PreallocatedFile(plain)
    file.write('{"v": 1}')
    writer = threading.Thread(target=file.write, args=('{"v": 2}',))
    with copies.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        writer.start()
        writer.join(0.2)
        assert writer.is_alive()
        assert file.read() == '{"v": 1}'
    writer.join(10)
    assert file.read() == '{"v": 2}'


def test_a_link_in_the_place_of_the_copies_is_not_followed(tmp_path: Path) -> None:
    plain, copies = place(tmp_path)
    victim = tmp_path / "victim"
    victim.write_bytes(b"x" * 200_000)
    copies.symlink_to(victim)
    PreallocatedFile(plain).write('{"v": 1}')
    assert victim.read_bytes() == b"x" * 200_000
    assert PreallocatedFile(plain).read() == '{"v": 1}'


def test_a_place_that_is_no_directory_is_a_host_failure(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    file = PreallocatedFile(tmp_path / "plain" / "state.json")
    for action in (file.prepare, file.read, lambda: file.write("{}")):
        with pytest.raises(HostFailure):
            action()
