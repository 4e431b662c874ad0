"""What every fetcher does, and reading on over a broken line."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostio.net.budget import Timeouts
from hostio.net.fetch import ByteStream, Fetcher, NotFound, ResumingStream, shown
from hostio.net.httpfetch import HttpFetcher
from hostio.net.locations import fetcher_for
from hostio.system.clock import SystemClock
from osmodel.faults import TransientFailure
from tests.fakes.clock import StoppedClock
from tests.fakes.fetcher import RamFetcher
from tests.fakes.rudeserver import Answer, plain, served, status

CONTENT = bytes(range(256)) * 400
HASTY = Timeouts(connect_s=1, silent_s=0.3, grace_s=0.5, least_rate=20_000)


def whole(stream: ByteStream, size: int = 30_000) -> bytes:
    try:
        return b"".join(iter(lambda: stream.read(size), b""))
    finally:
        stream.close()


def fetcher() -> HttpFetcher:
    return HttpFetcher(SystemClock(), HASTY, proxy="none")


def test_reads_a_resource_and_knows_its_size(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    with served(file=plain(CONTENT)) as server:
        for location in (server.url, str(tmp_path), tmp_path.as_uri()):
            source: Fetcher = fetcher_for(location, SystemClock())
            stream = source.open(f"{location}/file")
            assert stream.total == len(CONTENT)
            assert whole(stream) == CONTENT


def test_reads_on_from_an_offset(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    with served(file=plain(CONTENT)) as server:
        for location in (server.url, str(tmp_path)):
            stream = fetcher_for(location, SystemClock()).open(f"{location}/file", 70_001)
            assert stream.total == len(CONTENT)
            assert whole(stream) == CONTENT[70_001:]


def test_says_that_a_resource_is_missing(tmp_path: Path) -> None:
    with served(gone=status(404)) as server:
        for location in (server.url, str(tmp_path)):
            with pytest.raises(NotFound, match="gone"):
                fetcher_for(location, SystemClock()).open(f"{location}/gone")


def test_the_fake_in_memory_reads_as_the_others_do() -> None:
    fake: Fetcher = RamFetcher({"ram://file": CONTENT})
    stream = fake.open("ram://file", 70_001)
    assert stream.total == len(CONTENT)
    assert whole(stream) == CONTENT[70_001:]
    with pytest.raises(NotFound, match="gone"):
        fake.open("ram://gone")


def test_a_download_goes_on_after_a_reset() -> None:
    resets = iter([True, True, True])

    def broken(to: Answer) -> None:
        if not next(resets, False):
            plain(CONTENT)(to)
            return
        start, size = to.start, len(CONTENT)
        if start:
            to.head(
                206, Content_Length=size - start, Content_Range=f"bytes {start}-{size - 1}/{size}"
            )
        else:
            to.head(200, Content_Length=size)
        to.send(CONTENT[start : start + 20_000])
        to.reset()

    clock = StoppedClock()
    with served(file=broken) as server:
        with ResumingStream(fetcher(), f"{server.url}/file", clock) as stream:
            assert stream.total == len(CONTENT)
            assert whole(stream) == CONTENT
        asked = [int(part[6:-1] or 0) for _, part in server.requests]
    assert asked == sorted(asked)
    assert len(asked) == 4
    assert len(clock.naps) == 3


def test_a_dead_line_is_given_up_after_five_attempts_without_a_byte() -> None:
    clock = StoppedClock()
    with served(file=status(503)) as server:
        with pytest.raises(TransientFailure, match="503"):
            ResumingStream(fetcher(), f"{server.url}/file", clock)
        assert len(server.requests) == 5
    assert clock.naps == [1, 2, 4, 8]


def test_a_missing_file_is_not_asked_for_again() -> None:
    with served(file=status(404)) as server:
        with pytest.raises(NotFound):
            ResumingStream(fetcher(), f"{server.url}/file", StoppedClock())
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1:x/ y",
        "http://[",
        "//[x",
        "http://joe:secret@[::1:x/",
        "http://host/a\nb",
        "http://host/\x1b[2Jx",
    ],
)
def test_no_address_is_too_broken_to_be_shown(url: str) -> None:
    assert shown(url).isprintable()
    assert "secret" not in shown(url)
