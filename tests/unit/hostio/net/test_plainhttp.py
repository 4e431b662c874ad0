"""Asking a service of the platform, over real sockets."""

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from cloud_config.sources.service import LONGEST_PAUSE, Refused, Service, pauses
from hostio.net.plainhttp import HttpRequest, PlainHttp
from hostio.system.clock import SystemClock
from osmodel.faults import InvalidInput, TransientFailure, UntrustedData
from tests.fakes.clock import StoppedClock
from tests.fakes.metadata.service import Asked, Reply, found, serving, unwell


def ask(url: str, timeout: float = 5.0) -> bytes:
    return PlainHttp(SystemClock()).ask(HttpRequest(url), timeout).body


@contextmanager
def raw(*pieces: bytes, pause: float = 0.0) -> Iterator[str]:
    """A server that sends these bytes whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            # The client may hang up before all is sent.
            with connection, suppress(OSError):
                connection.recv(4096)
                for piece in pieces:
                    connection.sendall(piece)
                    if ended.wait(pause):
                        return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            ended.set()
            thread.join(5)


def test_an_answer_comes_with_status_headers_and_body() -> None:
    with serving(lambda _: Reply(404, b"none", {"X-Kind": "Error"})) as server:
        answer = PlainHttp(SystemClock()).ask(HttpRequest(server.url + "/x?y=1", "PUT"), 5)
    assert (answer.status, answer.body, answer.headers["x-kind"]) == (404, b"none", "Error")
    assert (server.asked[0].method, server.asked[0].path) == ("PUT", "/x?y=1")


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    with serving(lambda _: Reply(302, headers={"Location": "http://127.0.0.1:1/"})) as server:
        assert PlainHttp(SystemClock()).ask(HttpRequest(server.url), 5).status == 302


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serving(lambda _: found("direct")) as server:
        assert ask(server.url) == b"direct"


@pytest.mark.parametrize("url", ["https://x/", "ftp://x/", "http:///x", "x", "http://x:y/"])
def test_only_plain_http_is_spoken(url: str) -> None:
    with pytest.raises(InvalidInput):
        ask(url)


def test_nobody_there_is_a_failure_that_may_pass() -> None:
    with pytest.raises(TransientFailure, match="refused"):
        ask("http://127.0.0.1:9/")


@pytest.mark.parametrize(
    "pieces",
    [
        (b"",),
        (b"nonsense\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",),
    ],
)
def test_a_broken_answer_is_a_failure_that_may_pass(pieces: tuple[bytes, ...]) -> None:
    with raw(*pieces) as url, pytest.raises(TransientFailure):
        ask(url)


def test_a_silent_server_is_given_up() -> None:
    with raw(b"", pause=30) as url, pytest.raises(TransientFailure):
        ask(url, timeout=0.2)


def test_a_dripping_server_is_given_up() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    with raw(head, *[b"x"] * 100, pause=0.05) as url, pytest.raises(TransientFailure):
        ask(url, timeout=0.3)


def test_an_endless_answer_is_not_kept() -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    with (
        raw(head, *[bytes(1 << 20)] * 6) as url,
        pytest.raises(TransientFailure, match="more than 4194304"),
    ):
        ask(url)


def test_the_query_is_not_shown() -> None:
    with pytest.raises(TransientFailure) as caught:
        ask("http://127.0.0.1:9/x?secret=1")
    assert "secret" not in str(caught.value)


# --- asking again


def test_pauses_double_up_to_half_a_minute() -> None:
    first = list(itertools.islice(pauses(), 12))
    assert first[:4] == [0.1, 0.2, 0.4, 0.8]
    assert first[-1] == LONGEST_PAUSE


def service(url: str, clock: StoppedClock, timeout: float = 60) -> Service:
    return Service(PlainHttp(clock), clock, url, clock.monotonic() + timeout)


def test_an_ill_service_is_asked_after_growing_pauses() -> None:
    clock = StoppedClock()
    with serving(unwell(lambda _: found("well"), 500, 503, 429, 408)) as server:
        assert service(server.url, clock).find("/x") == b"well"
    assert clock.naps == [0.1, 0.2, 0.4, 0.8]


@pytest.mark.parametrize("status", [404, 410, 204])
def test_a_missing_item_is_an_answer(status: int) -> None:
    clock = StoppedClock()
    with serving(lambda _: Reply(status)) as server:
        assert service(server.url, clock).find("/x") is None
        assert service(server.url, clock).text("/x") == ""
    assert not clock.naps


@pytest.mark.parametrize("status", [302, 400, 401, 403])
def test_a_refusal_is_not_asked_again(status: int) -> None:
    clock = StoppedClock()
    with serving(lambda _: Reply(status)) as server, pytest.raises(Refused) as caught:
        service(server.url, clock).find("/x")
    assert caught.value.status == status
    assert isinstance(caught.value, UntrustedData)
    assert not clock.naps


def test_one_deadline_holds_for_all_questions() -> None:
    clock = StoppedClock()
    answers = iter([Reply(200, b"1"), *[Reply(500)] * 50])

    def platform(_: Asked) -> Reply:
        return next(answers)

    with serving(platform) as server:
        asked = service(server.url, clock, timeout=20)
        assert asked.find("/1") == b"1"
        with pytest.raises(TransientFailure, match="HTTP 500"):
            asked.find("/2")
    assert clock.monotonic() <= 20
