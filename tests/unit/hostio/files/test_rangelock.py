"""Locks of other processes, as QEMU holds them on its disks."""

import fcntl
import struct
from pathlib import Path

import pytest

from hostio.files.rangelock import is_locked
from osmodel.faults import HostFailure


def test_a_file_is_locked_as_long_as_somebody_holds_a_byte_of_it(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(b"x")
    assert not is_locked(path)
    with path.open("r+b") as holder:
        # QEMU locks single bytes from 100 on, for reading.
        lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 100, 1, 0)
        fcntl.fcntl(holder, fcntl.F_OFD_SETLK, lock)
        assert is_locked(path)
    assert not is_locked(path)


def test_a_file_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(HostFailure):
        is_locked(tmp_path / "none")
