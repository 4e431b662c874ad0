"""Files below a directory that is not trusted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hostio.net.directoryfetch import DirectoryFetcher
from hostio.net.fetch import ByteStream
from osmodel.faults import InvalidInput, TransientFailure, UntrustedData


def whole(stream: ByteStream) -> bytes:
    try:
        return b"".join(iter(lambda: stream.read(1000), b""))
    finally:
        stream.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    root = tmp_path / "mirror"
    (root / "targets").mkdir(parents=True)
    (root / "targets" / "good").write_bytes(b"good")
    (tmp_path / "secret").write_bytes(b"secret")
    return root


@pytest.mark.parametrize("name", ["../secret", "targets/../../secret", "", ".", "targets//good"])
def test_a_name_cannot_leave_the_directory(directory: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="does not name a file"):
        DirectoryFetcher(str(directory)).open(f"{directory}/{name}")


@pytest.mark.parametrize("name", ["%2e%2e/secret", "targets%2f..%2f..%2fsecret", "a%00b"])
def test_a_coded_name_cannot_leave_the_directory(directory: Path, name: str) -> None:
    url = directory.as_uri()
    with pytest.raises(InvalidInput, match="does not name a file"):
        DirectoryFetcher(url).open(f"{url}/{name}")


def test_a_file_elsewhere_is_not_read(directory: Path) -> None:
    with pytest.raises(InvalidInput, match="not below"):
        DirectoryFetcher(str(directory)).open(f"{directory}er/file")


def test_links_below_the_directory_are_not_followed(directory: Path) -> None:
    (directory / "link").symlink_to("../secret")
    (directory / "up").symlink_to("..")
    for name in ("link", "up/secret"):
        with pytest.raises(UntrustedData, match="not a plain file"):
            DirectoryFetcher(str(directory)).open(f"{directory}/{name}")


def test_the_directory_itself_may_be_a_link(directory: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(directory)
    assert whole(DirectoryFetcher(f"{link}/").open(f"{link}/targets/good")) == b"good"


def test_only_regular_files_are_opened(directory: Path) -> None:
    os.mkfifo(directory / "pipe")
    for name in ("pipe", "targets"):
        with pytest.raises(UntrustedData, match="not a regular file"):
            DirectoryFetcher(str(directory)).open(f"{directory}/{name}")


def test_a_name_of_four_kilobytes_is_refused(directory: Path) -> None:
    with pytest.raises(UntrustedData, match="not a plain file"):
        DirectoryFetcher(str(directory)).open(f"{directory}/{'a' * 4096}")


def test_a_file_that_shrinks_while_read_is_noticed(directory: Path) -> None:
    stream = DirectoryFetcher(str(directory)).open(f"{directory}/targets/good")
    (directory / "targets" / "good").write_bytes(b"go")
    with pytest.raises(TransientFailure, match="2 bytes early"):
        whole(stream)
