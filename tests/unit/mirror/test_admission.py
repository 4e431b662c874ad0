"""What clients may take up of a mirror's server; real sockets, short limits."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import subprocess  # noqa: TID251 - the limits of a process are what is tested
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hostio.net.locations import fetcher_for
from hostio.system.clock import SystemClock
from mirror.admission import Limits, client_of, descriptors_for
from osmodel.faults import InvalidInput
from tests.checkout import ROOT
from tests.fakes.repository import MadeRepository, made_repository, versions
from tests.fakes.servedrepository import served_repository

HALF_A_REQUEST = b"GET /metadata/timestamp.json HTTP/1.1\r\nHost: x\r\n"
STRICT = Limits(connections=30, per_client=8, head_s=0.6, grace_s=0.6, least_rate=10_000_000)


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    repository = made_repository(tmp_path)
    repository.publish("1.0.0", os.urandom(20 << 20))
    return repository


@pytest.fixture
def url(made: MadeRepository) -> Iterator[str]:
    with served_repository(made.directory, STRICT) as address:
        yield address


def connection(url: str, address: str = "127.0.0.1") -> socket.socket:
    parts = urlsplit(url)
    assert parts.hostname is not None
    return socket.create_connection((parts.hostname, parts.port or 80), 10, (address, 0))


def is_closed(held: socket.socket, within: float) -> bool:
    """Whether the server ends the connection in time."""
    held.settimeout(within)
    try:
        while held.recv(1 << 20):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def answers(url: str, address: str) -> bool:
    parts = urlsplit(url)
    asking = http.client.HTTPConnection(parts.netloc, timeout=60, source_address=(address, 0))
    try:
        asking.request("GET", "/metadata/timestamp.json")
        return asking.getresponse().status == 200
    except (ConnectionError, http.client.HTTPException):
        return False
    finally:
        asking.close()


def test_a_client_with_many_half_requests_does_not_shut_out_others(url: str) -> None:
    with contextlib.ExitStack() as held:
        for _ in range(50):
            one = held.enter_context(connection(url, "127.0.0.2"))
            with contextlib.suppress(ConnectionError):
                one.sendall(HALF_A_REQUEST)
        assert answers(url, "127.0.0.3")
        assert not answers(url, "127.0.0.2")


def test_many_clients_together_are_limited_and_room_comes_back(url: str) -> None:
    with contextlib.ExitStack() as held:
        for number in range(60):
            held.enter_context(connection(url, f"127.0.1.{number}"))
        assert not answers(url, "127.0.0.3")
        time.sleep(1.5)  # noqa: TID251 - the server's real time-out
        assert answers(url, "127.0.0.3")


@pytest.mark.parametrize("sent", [b"", b"G", HALF_A_REQUEST], ids=["nothing", "a byte", "half"])
def test_a_head_that_does_not_come_ends_the_connection(url: str, sent: bytes) -> None:
    with connection(url) as held:
        held.sendall(sent)
        assert is_closed(held, 60)


def test_a_head_that_drips_ends_the_connection(url: str) -> None:
    with connection(url) as held:
        ended = threading.Event()

        def drip() -> None:
            with contextlib.suppress(OSError):
                for byte in HALF_A_REQUEST * 100:
                    held.sendall(bytes([byte]))
                    if ended.wait(0.05):
                        return

        dripping = threading.Thread(target=drip)
        dripping.start()
        started = time.monotonic()
        assert is_closed(held, 60)
        assert time.monotonic() - started < 60
        ended.set()
        dripping.join()


def test_an_idle_connection_is_ended(url: str) -> None:
    with connection(url) as held:
        held.sendall(HALF_A_REQUEST + b"\r\n")
        assert is_closed(held, 60)


def test_an_answer_that_is_not_taken_ends_the_connection(made: MadeRepository, url: str) -> None:
    (file,) = made.directory.rglob("*.payload")
    with connection(url) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        held.sendall(
            f"GET /{file.relative_to(made.directory)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        )
        time.sleep(3.5)  # noqa: TID251 - 0.6 s and 2 s for 20 MB, in real time
        held.settimeout(5)
        received = 0
        with contextlib.suppress(ConnectionError):
            while data := held.recv(1 << 20):
                received += len(data)
        assert received < file.stat().st_size


def test_a_host_updates_within_the_limits(made: MadeRepository, url: str) -> None:
    host = made.client(url=url, fetcher=fetcher_for(url, SystemClock()))
    (offer,) = host.refresh()
    assert versions([offer]) == ["1.0.0"]
    with host.open(offer.payloads[0]) as stream:
        assert sum(map(len, iter(lambda: stream.read(1 << 20), b""))) == 20 << 20


def test_eleven_hundred_half_open_requests_do_not_block_a_real_server(
    made: MadeRepository,
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("this process may not open 1,100 connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    program = "import sys; from mirror.cli import main; sys.exit(main())"
    server = subprocess.Popen(
        [sys.executable, "-c", program, "serve", str(made.directory), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)),  # noqa: PLW1509 - no threads yet
    )
    assert server.stdout is not None
    try:
        url = json.loads(server.stdout.readline())["url"]
        with contextlib.ExitStack() as held:
            for number in range(1100):
                one = held.enter_context(connection(url, f"127.0.{number % 5 + 2}.1"))
                with contextlib.suppress(ConnectionError):
                    one.sendall(HALF_A_REQUEST)
            assert answers(url, "127.0.0.9")
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
        server.stdout.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        (("192.0.2.1", 5), "192.0.2.1"),
        (("::ffff:192.0.2.1", 5, 0, 0), "192.0.2.1"),
        (("2001:db8:1:2:3:4:5:6", 5, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 5, 0, 2), "fe80::/64"),
        (None, "unknown"),
        ("", "unknown"),
    ],
)
def test_one_client_is_one_address_or_one_site(peer: object, client: str) -> None:
    assert client_of(peer) == client


def test_no_more_connections_are_taken_than_there_are_descriptors() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = descriptors_for(Limits(connections=1 << 30)).connections
    assert hard == resource.RLIM_INFINITY or most * 2 <= hard
    assert descriptors_for(Limits(connections=7)).connections == 7


def test_limits_below_one_are_refused() -> None:
    for limits in ({"connections": 0}, {"per_client": -1}):
        with pytest.raises(InvalidInput, match="at least 1"):
            Limits(**limits)
