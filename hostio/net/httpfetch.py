"""Read files over http and https.

Guards against a server that is hostile or merely broken: time-outs for
connecting, for the answer's head and for each read; a floor under the rate, so
that one byte every few seconds does not hold an update for ever; few redirects
and only to http(s), never from https down to http; a partial answer must be
the part that was asked for; no content coding, so nothing unfolds here.

Proxies are taken from the environment, as usual.
"""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

import requests
import urllib3

from hostio.net.fetch import NotFound, shown
from hostio.system.clock import Clock
from osmodel.faults import Fault, InvalidInput, TransientFailure, UntrustedData

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_ABSENT = {403, 404, 410}  # an object store answers 403 for what it does not hold
_PARTIAL = 206
_OK = 200
_UNSATISFIABLE = 416
_LARGEST_READ = 1 << 20  # bytes taken from the socket at once


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a server may keep us waiting.

    Attributes:
        connect_s: seconds to reach it.
        head_s: seconds until the head of the answer is here, over all redirects.
        read_s: seconds without any byte.
        window_s: seconds of waiting over which the rate is judged.
        window_bytes: what must have arrived in one window.
    """

    connect_s: float = 15.0
    head_s: float = 90.0
    read_s: float = 30.0
    window_s: float = 60.0
    window_bytes: int = 64 << 10


class HttpFetcher:
    """Opens http(s) resources.

    Args:
        clock: measures how long the server keeps us waiting.
        timeouts: when to give up.
    """

    def __init__(self, clock: Clock, timeouts: Timeouts = Timeouts()) -> None:
        self._clock = clock
        self._timeouts = timeouts
        self._session = _Session()

    def open(self, url: str, offset: int = 0) -> HttpStream:
        """See :meth:`hostio.net.fetch.Fetcher.open`."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidInput(f"not an http address: {shown(url)!r}")
        response = self._asked(url, offset)
        try:
            total, skipped = _checked(response, url, offset)
            floor = _Floor(self._timeouts, self._clock)
            stream = HttpStream(response, total, offset - skipped, floor)
            stream.skip(skipped)
        except BaseException:
            response.close()
            raise
        return stream

    def _asked(self, url: str, offset: int) -> requests.Response:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        timeout = (self._timeouts.connect_s, self._timeouts.read_s)

        def call() -> requests.Response:
            return self._session.get(url, headers=headers, stream=True, timeout=timeout)

        try:
            return _within(self._timeouts.head_s, call)
        except requests.TooManyRedirects as error:
            if error.response is not None:
                error.response.close()
            raise TransientFailure(f"{shown(url)}: too many redirects") from error
        except (requests.Timeout, TimeoutError) as error:
            raise TransientFailure(f"{shown(url)}: no answer in time") from error
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidProxyURL) as error:
            raise InvalidInput(f"not an http address: {shown(url)!r}") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise TransientFailure(f"{shown(url)}: {_reason(error)}", hint=_hint(error)) from error


class HttpStream:
    """The body of one answer.

    Args:
        response: an answer whose head was checked.
        total: size of the whole resource in bytes, if known.
        offset: where in the resource the body begins.
        floor: judges the rate.
    """

    def __init__(
        self, response: requests.Response, total: int | None, offset: int, floor: _Floor
    ) -> None:
        self._response = response
        self._url = shown(response.url)
        self._total = total
        self._left = None if total is None else total - offset
        self._floor = floor

    @property
    def total(self) -> int | None:
        """See :attr:`hostio.net.fetch.ByteStream.total`."""
        return self._total

    def read(self, size: int) -> bytes:
        """See :meth:`hostio.net.fetch.ByteStream.read`."""
        if self._left is not None:
            # Bytes beyond the size claimed in the head are not taken.
            size = min(size, self._left)
        if size == 0:
            return b""
        data = self._received(min(size, _LARGEST_READ))
        if self._left is not None:
            if not data:
                raise TransientFailure(f"{self._url}: ended {self._left} bytes early")
            self._left -= len(data)
        return data

    def skip(self, count: int) -> None:
        """Drop ``count`` bytes, when a server sends the whole for a part."""
        while count:
            data = self.read(count)
            if not data:
                raise TransientFailure(f"{self._url}: ended {count} bytes early")
            count -= len(data)

    def close(self) -> None:
        """See :meth:`hostio.net.fetch.ByteStream.close`."""
        self._response.close()

    def _received(self, size: int) -> bytes:
        started = self._floor.started()
        try:
            # read1: one receive; a plain read would wait for all of ``size``
            # and the floor could not be judged meanwhile.
            data: bytes = self._response.raw.read1(size, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise TransientFailure(f"{self._url}: {_reason(error)}") from error
        if not self._floor.kept(started, len(data)):
            raise TransientFailure(f"{self._url}: {self._floor}")
        return data


class _Floor:
    """Judges the rate over the time spent waiting for the server, not for us."""

    def __init__(self, timeouts: Timeouts, clock: Clock) -> None:
        self._timeouts = timeouts
        self._clock = clock
        self._waited = 0.0
        self._bytes = 0

    def __str__(self) -> str:
        return f"slower than {self._timeouts.window_bytes} bytes in {self._timeouts.window_s:g} s"

    def started(self) -> float:
        return self._clock.monotonic()

    def kept(self, started: float, count: int) -> bool:
        self._waited += self._clock.monotonic() - started
        self._bytes += count
        if self._waited < self._timeouts.window_s:
            return True
        fast_enough = self._bytes >= self._timeouts.window_bytes or count == 0
        self._waited, self._bytes = 0.0, 0
        return fast_enough


class _Session(requests.Session):
    """A session that follows few redirects and none that lowers our guard."""

    _SECURITY: ClassVar[dict[str, int]] = {"http": 0, "https": 1}

    def __init__(self) -> None:
        super().__init__()
        self.max_redirects = 5
        self.headers.update({"Accept-Encoding": "identity", "User-Agent": "twinkeel"})

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where an answer leads, once it was found harmless."""
        target: str | None = super().get_redirect_target(resp)
        if target is not None:
            here = self._SECURITY[urlsplit(resp.url).scheme.lower()]
            scheme = urlsplit(target).scheme.lower()
            if scheme and self._SECURITY.get(scheme, -1) < here:
                resp.close()
                raise UntrustedData(f"{shown(resp.url)}: redirects to {shown(target)[:200]!r}")
        return target


def _checked(response: requests.Response, url: str, offset: int) -> tuple[int | None, int]:
    """Total size, and bytes to drop before ``offset``, from an answer's head."""
    status = response.status_code
    if status in _ABSENT:
        raise NotFound(f"{shown(url)}: HTTP {status}")
    if status == _PARTIAL and offset:
        return _range_total(response, url, offset), 0
    if status == _UNSATISFIABLE and offset:
        raise TransientFailure(f"{shown(url)}: holds fewer than {offset} bytes")
    if status != _OK:
        raise TransientFailure(f"{shown(url)}: HTTP {status}")
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() and length.isascii() else None
    if total is not None and total < offset:
        raise TransientFailure(f"{shown(url)}: holds fewer than {offset} bytes")
    return total, offset


def _range_total(response: requests.Response, url: str, offset: int) -> int | None:
    claimed = response.headers.get("Content-Range", "")
    found = _RANGE.fullmatch(claimed)
    if found is None or int(found[1]) != offset:
        raise TransientFailure(
            f"{shown(url)}: asked for bytes from {offset}, got range {claimed[:80]!r}"
        )
    if found[3] == "*":
        return None
    if int(found[2]) + 1 != int(found[3]):
        raise TransientFailure(f"{shown(url)}: range {claimed!r} stops before the end")
    return int(found[3])


def _within(seconds: float, call: Callable[[], requests.Response]) -> requests.Response:
    """Run ``call``, at most so long; what comes later is closed unread.

    A read time-out alone does not bound the head: it starts again at every
    byte. The thread that is left behind ends with its connection.
    """
    answers: list[requests.Response] = []
    errors: list[BaseException] = []
    given_up = threading.Event()
    handing_over = threading.Lock()

    def work() -> None:
        try:
            answer = call()
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, Fault) as error:
            errors.append(error)
            return
        with handing_over:
            answers.append(answer)
            if given_up.is_set():
                answer.close()

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(seconds)
    with handing_over:
        if not answers:
            given_up.set()
    if errors:
        raise errors[0]
    if given_up.is_set():
        raise TimeoutError
    return answers[0]


def _reason(error: BaseException) -> str:
    """The innermost plain cause; library messages quote URLs and proxies."""
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None:
            break
        if isinstance(seen, OSError) and seen.strerror and not _is_tls(seen):
            return seen.strerror
        if isinstance(seen, http.client.IncompleteRead | urllib3.exceptions.IncompleteRead):
            return "ended early"
        inner = next((arg for arg in seen.args if isinstance(arg, BaseException)), None)
        seen = inner or getattr(seen, "reason", None) or seen.__cause__ or seen.__context__
        seen = seen if isinstance(seen, BaseException) else None
    return "TLS failed" if isinstance(error, requests.exceptions.SSLError) else "connection failed"


def _is_tls(error: OSError) -> bool:
    return type(error).__module__ == "ssl"


def _hint(error: BaseException) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "check the clock of this machine and its certificate authorities"
    return ""
