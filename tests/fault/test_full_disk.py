"""Small files on a real file system that is full."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostio.files.preallocated import PreallocatedFile
from hostio.files.statefiles import DurableFile
from hostio.system.runner import Command, LocalRunner
from osmodel.faults import Fault, HostFailure

pytestmark = pytest.mark.root
RUNNER = LocalRunner()


@pytest.fixture(params=["tmpfs", "ext4"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A small file system; ext4 as on a machine, without blocks for root."""
    at, image = tmp_path / "disk", tmp_path / "image"
    at.mkdir()
    if request.param == "tmpfs":
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(at)]
    else:
        with image.open("wb") as file:
            file.truncate(8 << 20)
        mount = ["mount", "-o", "loop", str(image), str(at)]
    try:
        if request.param == "ext4":
            RUNNER.run(Command(["mkfs.ext4", "-q", "-F", "-m", "0", str(image)]))
        RUNNER.run(Command(mount))
    except Fault as fault:
        pytest.skip(f"no {request.param} here: {fault}")
    try:
        yield at
    finally:
        RUNNER.run(Command(["umount", str(at)]))


def fill(disk: Path) -> None:
    """Take every block, in large pieces and then byte by byte."""
    for number, size in enumerate([1 << 20, 4096, 1]):
        with (disk / f"filler{number}").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    os.sync()
    for number in range(10_000):  # names need room as well
        try:
            (disk / f"{number:0200}").touch()
        except OSError:
            return


def test_a_file_that_has_its_space_is_written_and_read(disk: Path) -> None:
    file = PreallocatedFile(disk / "state.json")
    file.write('{"v": 1}')
    fill(disk)
    with pytest.raises(HostFailure, match="No space left"):
        DurableFile(disk / "other.json").write('{"v": 2}')
    for number in range(50):
        text = f'{{"v": {number}, "x": "{"y" * 50_000}"}}'
        file.write(text)
        assert PreallocatedFile(disk / "state.json").read() == text
    file.remove()
    assert file.read() is None
    file.write('{"v": 3}')
    assert file.read() == '{"v": 3}'


def test_a_file_without_its_space_is_a_host_failure(disk: Path) -> None:
    fill(disk)
    file = PreallocatedFile(disk / "state.json")
    with pytest.raises(HostFailure, match="No space left"):
        file.prepare()
    with pytest.raises(HostFailure, match="No space left"):
        file.write("{}")
    assert file.read() is None
    assert not (disk / "state.json.copies").exists()
    (disk / "filler0").unlink()
    file.write("{}")
    assert file.read() == "{}"


def test_space_taken_early_is_kept_for_the_first_write(disk: Path) -> None:
    file = PreallocatedFile(disk / "state.json")
    file.prepare()
    fill(disk)
    assert file.read() is None
    file.write('{"v": 1}')
    assert file.read() == '{"v": 1}'
