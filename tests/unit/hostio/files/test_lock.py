"""Locks between processes."""

import fcntl
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hostio.files.lock import FileLock, Hold, has_record_locks, locked, locked_in_turn
from osmodel.faults import HostFailure, TransientFailure


@contextmanager
def another_process(path: Path, *, records: bool) -> Iterator[None]:
    """Holds the lock until the block ends or it is killed."""
    ready, told = os.pipe()
    asked, ask = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ask)
        FileLock(path, records=records).take()
        os.write(told, b"x")
        os.read(asked, 1)
        os._exit(0)
    os.read(ready, 1)
    try:
        yield
    finally:
        for descriptor in (ask, asked, ready, told):
            os.close(descriptor)
        os.waitpid(child, 0)


@pytest.mark.parametrize("records", [False, True])
def test_a_lock_is_held_by_one_process_and_ends_with_it(tmp_path: Path, *, records: bool) -> None:
    path = tmp_path / "run" / "lock"
    with (
        another_process(path, records=records),
        pytest.raises(TransientFailure, match="the engine works") as told,
        locked(path, busy="the engine works", hint="wait", records=records),
    ):
        pass
    assert told.value.hint == "wait"
    with locked(path, busy="the engine works", records=records):
        pass


def test_a_lock_is_held_by_one_thread(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "lock", busy="one"),
        pytest.raises(TransientFailure, match="another"),
        locked(tmp_path / "lock", busy="another"),
    ):
        pass


def test_a_directory_is_its_own_lock(tmp_path: Path) -> None:
    with locked(tmp_path, busy="one"), FileLock(tmp_path) as other:
        assert not other.try_to_take()
    assert list(tmp_path.iterdir()) == []


def test_users_share_and_keep_others_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FileLock(path) as one, FileLock(path) as two, FileLock(path) as alone:
        one.take(Hold.SHARED)
        assert two.try_to_take(Hold.SHARED)
        one.release()
        assert not alone.try_to_take()
        two.release()
        assert alone.try_to_take()


def test_nobody_but_the_owner_can_open_a_lock_file(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", busy=""):
        assert (tmp_path / "lock").stat().st_mode & 0o077 == 0


def test_those_who_wait_are_alone_one_after_the_other(tmp_path: Path) -> None:
    """Also when a holder deletes the file while others wait for it."""
    path, inside, seen = tmp_path / "lock", [], []

    def work(number: int) -> None:
        for _ in range(20):
            with locked_in_turn(path):
                inside.append(number)
                seen.append(len(inside))
                inside.remove(number)
                if number == 0:
                    path.unlink()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(seen) == {1}
    assert len(seen) == 80


@pytest.mark.parametrize("hold", [locked_in_turn, lambda path: locked(path, busy="")])
def test_a_lock_that_cannot_be_made_is_a_host_failure(tmp_path: Path, hold: object) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises(HostFailure), hold(tmp_path / "plain" / "lock"):  # type: ignore[operator]
        pass


def test_record_locks_of_others_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(b"x")
    assert not has_record_locks(path)
    with path.open("r+b") as holder:
        # QEMU locks single bytes from 100 on, for reading.
        lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 100, 1, 0)
        fcntl.fcntl(holder, fcntl.F_OFD_SETLK, lock)
        assert has_record_locks(path)
    assert not has_record_locks(path)


def test_a_file_that_is_not_there_has_no_locks_to_ask_for(tmp_path: Path) -> None:
    with pytest.raises(HostFailure):
        has_record_locks(tmp_path / "none")
