"""Mirrors over http, well and badly behaved, and mirrors in a directory."""

from __future__ import annotations

import gzip
import os
import socket
import time
from pathlib import Path

import pytest

from hostio.net.budget import Timeouts
from hostio.net.directoryfetch import DirectoryFetcher
from hostio.net.fetch import ByteStream, Fetcher, NotFound, ResumingStream, shown
from hostio.net.httpfetch import HttpFetcher
from hostio.net.locations import fetcher_for
from hostio.system.clock import SystemClock
from osmodel.faults import InvalidInput, TransientFailure, UntrustedData
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
    return HttpFetcher(SystemClock(), HASTY)


def fetched(url: str, offset: int = 0) -> bytes:
    return whole(fetcher().open(url, offset))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


# --- what every fetcher does -------------------------------------------------


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


@pytest.mark.parametrize(
    "location", ["", "mirror", "./mirror", "ftp://host/x", "http:///x", "file://host/x", "file:x"]
)
def test_a_location_it_cannot_read_is_the_operators_fault(location: str) -> None:
    with pytest.raises(InvalidInput):
        fetcher_for(location, SystemClock())


def test_messages_show_no_credentials() -> None:
    assert shown("https://joe:secret@host:1/path?token=secret") == "https://host:1/path"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(TransientFailure) as caught:
        fetched(f"http://joe:secret@127.0.0.1:{port}/file?token=secret")
    assert "Connection refused" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with served() as proxy:
        proxy.manners = {"http://mirror.invalid/file": plain(CONTENT)}
        monkeypatch.setenv("http_proxy", proxy.url)
        assert fetched("http://mirror.invalid/file") == CONTENT


def test_the_fake_in_memory_reads_as_the_others_do() -> None:
    fake: Fetcher = RamFetcher({"ram://file": CONTENT})
    stream = fake.open("ram://file", 70_001)
    assert stream.total == len(CONTENT)
    assert whole(stream) == CONTENT[70_001:]
    with pytest.raises(NotFound, match="gone"):
        fake.open("ram://gone")


# --- servers with bad manners -------------------------------------------------


def test_a_truncated_answer_is_noticed() -> None:
    def truncated(to: Answer) -> None:
        to.head(200, Content_Length=len(CONTENT))
        to.send(CONTENT[:1000])

    with served(file=truncated) as server, pytest.raises(TransientFailure, match="early"):
        fetched(f"{server.url}/file")


def test_bytes_beyond_the_claimed_size_are_not_taken() -> None:
    def too_long(to: Answer) -> None:
        to.head(200, Content_Length=10)
        to.send(CONTENT)

    with served(file=too_long) as server:
        assert fetched(f"{server.url}/file") == CONTENT[:10]


def test_a_server_that_drips_is_given_up() -> None:
    def dripping(to: Answer) -> None:
        to.head(200, Content_Length=len(CONTENT))
        while not to.server.ended.wait(0.02):
            to.send(b"x")

    with served(file=dripping) as server, pytest.raises(TransientFailure, match="slower than"):
        fetched(f"{server.url}/file")


def test_a_head_that_drips_is_given_up() -> None:
    def dripping(to: Answer) -> None:
        while not to.server.ended.wait(0.02):
            to.send(b"x")

    started = time.monotonic()
    with served(file=dripping) as server, pytest.raises(TransientFailure, match="no answer"):
        fetched(f"{server.url}/file")
    assert time.monotonic() - started < 60


def test_a_silent_server_is_given_up() -> None:
    def silent(to: Answer) -> None:
        to.head(200, Content_Length=len(CONTENT))
        to.server.ended.wait(5)

    with served(file=silent) as server, pytest.raises(TransientFailure, match="file"):
        fetched(f"{server.url}/file")


def test_time_spent_by_the_reader_is_not_held_against_the_server() -> None:
    with served(file=plain(CONTENT)) as server:
        stream = fetcher().open(f"{server.url}/file")
        first = stream.read(10)
        time.sleep(0.4)  # noqa: TID251 - longer than the window, in real time
        assert first + whole(stream, 100) == CONTENT


@pytest.mark.parametrize(
    "claimed",
    ["bytes 0-99/102400", "bytes 6-102399/102400", "bytes 5-99/102400", "bytes */5", "", "x"],
)
def test_another_range_than_the_one_asked_for_is_refused(claimed: str) -> None:
    def wrong(to: Answer) -> None:
        to.head(206, Content_Length=len(CONTENT), Content_Range=claimed)
        to.send(CONTENT)

    with served(file=wrong) as server, pytest.raises(TransientFailure, match="range"):
        fetched(f"{server.url}/file", 5)


def test_a_server_without_ranges_still_lets_us_read_on() -> None:
    def always_whole(to: Answer) -> None:
        to.head(200, Content_Length=len(CONTENT))
        to.send(CONTENT)

    with served(file=always_whole) as server:
        assert fetched(f"{server.url}/file", 70_000) == CONTENT[70_000:]


def test_an_offset_beyond_the_end_is_a_mirror_problem() -> None:
    with served(file=status(416), short=plain(b"abc")) as server:
        for name in ("file", "short"):
            with pytest.raises(TransientFailure):
                fetched(f"{server.url}/{name}", 100)


@pytest.mark.parametrize("code", [400, 401, 429, 500, 502, 503])
def test_an_error_of_the_server_may_pass(code: int) -> None:
    with served(file=status(code)) as server, pytest.raises(TransientFailure, match=f"HTTP {code}"):
        fetched(f"{server.url}/file")


def test_a_redirect_is_followed() -> None:
    with served(file=status(302, Location="/there"), there=plain(CONTENT)) as server:
        assert fetched(f"{server.url}/file") == CONTENT


def test_a_redirect_loop_is_left() -> None:
    with served(file=status(302, Location="/file")) as server:
        with pytest.raises(TransientFailure, match="too many redirects"):
            fetched(f"{server.url}/file")
        assert len(server.requests) < 10


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://host/x", "gopher://host/"])
def test_a_redirect_away_from_http_is_refused(target: str) -> None:
    leading_away = status(302, Location=target)
    with served(file=leading_away) as server, pytest.raises(UntrustedData, match="redirects to"):
        fetched(f"{server.url}/file")


def test_compressed_answers_are_not_unfolded() -> None:
    packed = gzip.compress(bytes(1 << 20))

    def coded(to: Answer) -> None:
        assert to.headers["Accept-Encoding"] == "identity"
        to.head(200, Content_Length=len(packed), Content_Encoding="gzip")
        to.send(packed)

    with served(file=coded) as server:
        assert fetched(f"{server.url}/file") == packed


def test_a_chunked_answer_is_read_to_its_end() -> None:
    def chunked(to: Answer) -> None:
        to.protocol_version = "HTTP/1.1"
        to.head(200, Transfer_Encoding="chunked")
        for at in range(0, len(CONTENT), 999):
            part = CONTENT[at : at + 999]
            to.send(b"%x\r\n%s\r\n" % (len(part), part))
        to.send(b"0\r\n\r\n")
        to.close_connection = True

    with served(file=chunked) as server:
        stream = fetcher().open(f"{server.url}/file")
        assert stream.total is None
        assert whole(stream) == CONTENT


def test_a_chunked_answer_that_breaks_is_noticed() -> None:
    def chunked(to: Answer) -> None:
        to.protocol_version = "HTTP/1.1"
        to.head(200, Transfer_Encoding="chunked")
        to.send(b"64\r\n" + CONTENT[:50])
        to.close_connection = True

    with served(file=chunked) as server, pytest.raises(TransientFailure):
        fetched(f"{server.url}/file")


# --- resuming -----------------------------------------------------------------


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


# --- directories --------------------------------------------------------------


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
