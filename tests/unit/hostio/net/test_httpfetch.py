"""Files over http: proxies, redirects, ranges and servers with bad manners."""

from __future__ import annotations

import gzip
import socket
import time
from base64 import b64encode
from contextlib import suppress

import pytest

from hostio.net.budget import Timeouts
from hostio.net.fetch import ByteStream, NotFound, shown
from hostio.net.httpfetch import HttpFetcher
from hostio.system.clock import SystemClock
from osmodel.faults import InvalidInput, TransientFailure, UntrustedData
from tests.fakes.rudeserver import Answer, Manner, plain, served, status

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


@pytest.mark.parametrize(
    "url",
    ["ftp://x/", "http:///x", "x", "http://x:y/", "http://x:0/", "http://[::1:x/", "http://a b/"],
)
def test_what_is_no_http_address_is_the_callers_fault(url: str) -> None:
    with pytest.raises(InvalidInput, match="not an http address"):
        fetched(url)


def test_a_redirect_that_fails_is_told_with_both_addresses() -> None:
    with served(file=status(302, Location="http://127.0.0.1:1/x")) as server:
        with pytest.raises(TransientFailure) as caught:
            fetched(f"{server.url}/file")
        said = str(caught.value)
    assert said.startswith(f"{server.url}/file, redirected to http://127.0.0.1:1/x: Connection")


@pytest.mark.parametrize("location", ["http://[::1:x/ y", "http://127.0.0.1:99999/", "http://a b/"])
def test_a_redirect_to_no_address_is_the_servers_fault(location: str) -> None:
    with (
        served(file=status(302, Location=location)) as server,
        pytest.raises(TransientFailure, match="which is no address"),
    ):
        fetched(f"{server.url}/file")


def test_a_login_that_the_network_wants_is_named() -> None:
    with served(file=status(511)) as server, pytest.raises(TransientFailure, match="captive"):
        fetched(f"{server.url}/file")


def test_bodies_of_redirects_and_errors_are_never_read() -> None:
    def with_a_body(code: int) -> Manner:
        def answer(to: Answer) -> None:
            to.head(code, Content_Length=1 << 40, Location="/there")
            sent = 0
            with suppress(OSError):
                while sent < 64 << 20:
                    to.send(bytes(1 << 20))
                    sent += 1 << 20
            taken.append(sent)

        return answer

    taken: list[int] = []
    with served(file=with_a_body(302), there=plain(CONTENT), gone=with_a_body(404)) as server:
        assert fetched(f"{server.url}/file") == CONTENT
        with pytest.raises(NotFound):
            fetched(f"{server.url}/gone")
    # What the kernels of both sides hold, and no more.
    assert all(sent < 32 << 20 for sent in taken)


def test_files_of_one_server_come_over_one_connection() -> None:
    def kept(to: Answer) -> None:
        to.protocol_version = "HTTP/1.1"
        to.close_connection = False
        plain(CONTENT)(to)

    with served(one=kept, two=kept, three=kept) as server:
        ours = fetcher()
        for name in ("one", "two", "three"):
            assert whole(ours.open(f"{server.url}/{name}")) == CONTENT
        assert server.connections == 1


def test_a_connection_that_the_server_gave_up_is_made_again() -> None:
    def kept_for_one(to: Answer) -> None:
        to.protocol_version = "HTTP/1.1"
        plain(CONTENT)(to)
        to.close_connection = True

    with served(one=kept_for_one, two=kept_for_one) as server:
        ours = fetcher()
        assert whole(ours.open(f"{server.url}/one")) == CONTENT
        time.sleep(0.05)  # noqa: TID251 - until the end of the connection has come
        assert whole(ours.open(f"{server.url}/two")) == CONTENT
        assert server.connections == 2


def test_a_body_that_was_not_read_to_its_end_is_not_mistaken_for_the_next_answer() -> None:
    def kept(to: Answer) -> None:
        to.protocol_version = "HTTP/1.1"
        to.close_connection = False
        plain(CONTENT)(to)

    with served(one=kept, two=kept) as server:
        ours = fetcher()
        stream = ours.open(f"{server.url}/one")
        assert stream.read(10) == CONTENT[:10]
        stream.close()
        assert whole(ours.open(f"{server.url}/two")) == CONTENT


def test_the_password_of_an_address_is_sent_and_goes_nowhere_else() -> None:
    seen: list[str | None] = []

    def guarded(to: Answer) -> None:
        seen.append(to.headers["Authorization"])
        status(302, Location=f"http://localhost:{to.server.server_address[1]}/there")(to)

    def elsewhere(to: Answer) -> None:
        seen.append(to.headers["Authorization"])
        plain(CONTENT)(to)

    with served(file=guarded, there=elsewhere) as server:
        address = server.url.replace("://", "://joe:s%40cret@")
        assert fetched(f"{address}/file") == CONTENT
    assert seen == [f"Basic {b64encode(b'joe:s@cret').decode()}", None]


def test_a_plus_in_a_path_is_coded_and_codes_are_kept() -> None:
    with served() as server:
        server.manners = {"/a%2Bb%20c": plain(CONTENT)}
        assert fetched(f"{server.url}/a+b%20c") == CONTENT
        assert fetched(f"{server.url}/a+b c") == CONTENT
