"""Servers that mean harm, over real sockets, with real but short time-outs.

Whatever they send, each reader ends with a fault of its kind within its budget,
and the process stays small.
"""

from __future__ import annotations

import gzip
import json
import subprocess  # noqa: TID251 - the memory of a process is what is measured
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hostio.net.budget import Timeouts
from hostio.net.fetch import ResumingStream
from hostio.net.httpfetch import HttpFetcher
from hostio.net.plainhttp import HttpRequest, PlainHttp
from hostio.system.clock import SystemClock
from osmodel.faults import Fault, TransientFailure, UntrustedData
from tests.checkout import ROOT
from tests.fakes.rawserver import Line, Play, raw_server
from tests.fakes.repository import MadeRepository, made_repository
from update_engine.repository.client import Repository

pytestmark = pytest.mark.slow  # waits for real time-outs

SHORT = Timeouts(connect_s=0.5, silent_s=0.4, grace_s=0.6, least_rate=50_000)
SLACK = 15.0  # seconds; machines are emulated on the same cores meanwhile
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SIZED = OK + b"Content-Length: 102400\r\n\r\n"
BOMB = gzip.compress(bytes(64 << 20))
LONG = b"x" * 60_000


def sends(*pieces: bytes) -> Play:
    def play(line: Line) -> None:
        for piece in pieces:
            line.send(piece)

    return play


def then(first: bytes, more: Callable[[Line], None]) -> Play:
    def play(line: Line) -> None:
        line.send(first)
        more(line)

    return play


def flooding(first: bytes, data: bytes) -> Play:
    return then(first, lambda line: line.flood(data))


def dripping(first: bytes, data: bytes) -> Play:
    return then(first, lambda line: line.drip(data))


def silence(line: Line) -> None:
    line.ended.wait(60)


def one_byte_a_connection(line: Line) -> None:
    size = 102_400
    if line.start:
        line.send(
            b"HTTP/1.1 206 Partial\r\nContent-Length: %d\r\nContent-Range: bytes %d-%d/%d\r\n\r\nx"
            % (size - line.start, line.start, size - 1, size)
        )
    else:
        line.send(SIZED + b"x")


def one_more_byte_without_ranges(line: Line) -> None:
    line.send(SIZED + b"x" * (line.number + 1))


def redirect(location: bytes, body: Play | None = None) -> Play:
    head = b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\n\r\n"
    return then(head, body or (lambda _: None))


SLOW: dict[str, Play] = {
    "silence": silence,
    "a head that drips": dripping(b"", b"HTTP/1.1 200 OK\r\nX: y\r\n"),
    "headers that drip": dripping(OK, b"X: y\r\n"),
    "a head without end of line": dripping(b"", b"x"),
    "endless 100 Continue, dripping": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body that drips": dripping(SIZED, b"x"),
    "a body without size that drips": dripping(OK + b"\r\n", b"x"),
    "a body that stops": then(SIZED + b"x", silence),
    "chunk sizes that drip": dripping(CHUNKED, b"0000000000000001"),
    "chunk extensions that drip": dripping(CHUNKED + b"1;", b"x"),
    "chunks of one byte, dripping": dripping(CHUNKED, b"1\r\nx\r\n"),
    "trailers that drip": dripping(CHUNKED + b"0\r\n", b"X: y\r\n"),
    "one byte per connection": one_byte_a_connection,
    "one more byte per connection, without ranges": one_more_byte_without_ranges,
    "the body of a redirect drips": redirect(b"/", lambda line: line.drip(b"x")),
}
FAST: dict[str, Play] = {
    "nothing": lambda _: None,
    "endless headers": flooding(OK, b"X: y\r\n"),
    "long headers": flooding(OK, b"X: " + LONG + b"\r\n"),
    "one endless line": flooding(b"", LONG),
    "endless 100 Continue": flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "endless chunk extensions": flooding(CHUNKED, b"1;" + LONG + b"\r\nx\r\n"),
    "endless chunk size": flooding(CHUNKED, b"1" * 1000),
    "endless trailers": flooding(CHUNKED + b"0\r\n", b"X: " + LONG + b"\r\n"),
    "no chunk size": sends(CHUNKED, b"zz\r\nabc"),
    "a negative chunk size": sends(CHUNKED, b"-5\r\nabc\r\n0\r\n\r\n"),
    "an error with an endless body": flooding(b"HTTP/1.1 500 No\r\n\r\n", LONG),
    "an error with a bomb": sends(
        b"HTTP/1.1 503 No\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB), BOMB
    ),
    "a redirect with a bomb": redirect(
        b"/\r\nContent-Encoding: gzip\r\nContent-Length: %d" % len(BOMB),
        lambda line: line.send(BOMB),
    ),
    "a redirect with an endless body": redirect(b"/", lambda line: line.flood(LONG)),
    "a redirect to itself": redirect(b"/"),
    "a redirect nowhere": redirect(b""),
    "a redirect to broken brackets": redirect(b"http://[::1:x/ y"),
    "a redirect to a port that is none": redirect(b"http://127.0.0.1:99999/"),
    "a redirect to a port of letters": redirect(b"http://127.0.0.1:http/"),
    "a redirect to port 0": redirect(b"http://127.0.0.1:0/"),
    "a redirect without a host": redirect(b"http:///x"),
    "a redirect to bytes": redirect(b"http://\xff\xfe\x80/\x81"),
    "a redirect to a long name": redirect(b"http://" + b"a" * 300 + b"/"),
    "a redirect to a name with blanks": redirect(b"http://a b/"),
    "a redirect to a long address": redirect(b"/" + LONG),
    "a redirect away from http": redirect(b"file:///etc/passwd"),
    "no status": sends(b"HTTP/1.1 abc\r\n\r\n"),
    "another protocol": sends(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "an old protocol": sends(b"ICY 200 OK\r\n\r\nabc"),
    "binary": sends(bytes(range(256)) * 10),
    "two lengths": sends(OK + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\n12345"),
    "a negative length": sends(OK + b"Content-Length: -5\r\n\r\n"),
    "a long length": sends(OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nx"),
    "a length of no digits": sends(OK + "Content-Length: ²\r\n\r\n".encode()),
    "a range that was not asked for": sends(
        b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-4/5\r\nContent-Length: 5\r\n\r\n12345"
    ),
    "a login page": sends(OK + b"Content-Type: text/html\r\n\r\n<html>Please log in</html>"),
    "a login demanded": sends(b"HTTP/1.1 511 Login\r\n\r\n<html>"),
}
ALL = {**SLOW, **FAST}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeRepository:
    return made_repository(tmp_path_factory.mktemp("made"))


@pytest.mark.parametrize("name", ALL)
def test_a_refresh_ends_within_its_budget(made: MadeRepository, tmp_path: Path, name: str) -> None:
    with raw_server(ALL[name]) as server:
        fetcher = HttpFetcher(SystemClock(), SHORT, proxy="none")
        root, clock = made.root_json, SystemClock()
        host = Repository(server.url, root, tmp_path, fetcher, clock, timeouts=SHORT)
        started = time.monotonic()
        with pytest.raises((TransientFailure, UntrustedData)) as caught:
            host.refresh()
        assert time.monotonic() - started < SHORT.grace_s + SLACK
    assert str(caught.value).startswith(f"{server.url}/")
    assert len(str(caught.value)) < 700
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ALL)
def test_a_download_ends_within_its_budget(name: str) -> None:
    """What ends by itself is read; hashes judge it later."""
    clock = SystemClock()
    with raw_server(ALL[name]) as server:
        started = time.monotonic()
        received = 0
        fault: Fault | None = None
        try:
            fetcher = HttpFetcher(clock, SHORT, proxy="none")
            with ResumingStream(fetcher, f"{server.url}/file", clock, SHORT) as stream:
                while data := stream.read(1 << 20):
                    received += len(data)
        except Fault as raised:
            fault = raised
        spent = time.monotonic() - started
    assert spent < SHORT.grace_s + received / SHORT.least_rate + SLACK
    assert fault is None or isinstance(fault, TransientFailure | UntrustedData)
    assert received < 102_400
    if name in SLOW:
        assert fault is not None


@pytest.mark.parametrize("name", ALL)
def test_a_question_ends_at_its_deadline(name: str) -> None:
    with raw_server(ALL[name]) as server:
        started = time.monotonic()
        fault: Fault | None = None
        try:
            PlainHttp(SystemClock()).ask(HttpRequest(f"{server.url}/x"), 1.0)
        except Fault as raised:
            fault = raised
        assert time.monotonic() - started < 1.0 + SLACK
    assert fault is None or isinstance(fault, TransientFailure)
    # A redirect is an answer here, with whatever body comes in time.
    if name in SLOW:
        assert fault is not None


MEASURED = """
import json, re, sys
from pathlib import Path
from hostio.net.budget import Timeouts
from hostio.net.httpfetch import HttpFetcher
from hostio.system.clock import SystemClock
from osmodel.faults import Fault
from update_engine.repository.client import Repository
urls, cache, root = json.loads(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]).read_bytes()
short, clock = Timeouts(0.5, 0.4, 0.6, 50_000), SystemClock()
kinds = []
for url in urls:
    fetcher = HttpFetcher(clock, short, proxy="none")
    try:
        Repository(url, root, cache, fetcher, clock, timeouts=short).refresh()
        kinds.append("none")
    except Fault as fault:
        kinds.append(fault.kind)
# Not ru_maxrss: that one also counts the process this one was forked from.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(json.dumps([kinds, int(peak[1])]))
"""


def test_no_server_makes_the_process_large(made: MadeRepository, tmp_path: Path) -> None:
    """At most 128 MiB, libraries and all, over every server that sends in haste."""
    from contextlib import ExitStack  # noqa: PLC0415 - one server for each play

    with ExitStack() as running:
        urls = [running.enter_context(raw_server(play)).url for play in FAST.values()]
        root = made.metadata("1.root.json")
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, json.dumps(urls), str(tmp_path), str(root)],
            cwd=ROOT,
            capture_output=True,
            check=True,
            timeout=300,
        )
    kinds, kilobytes = json.loads(done.stdout)
    assert set(kinds) <= {"transient", "untrusted-data"}
    assert kilobytes <= 128 << 10
