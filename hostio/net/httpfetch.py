"""Read files over http and https.

Guards against a server that is hostile or merely broken: one budget of waiting
for a whole resource (``hostio.net.budget``), however many heads, redirects,
chunks and connections it takes; few redirects and only to http(s), never from
https down to http; bodies of redirects and errors are never read; a partial
answer must be the part that was asked for; no content coding, so nothing
unfolds here.
"""

from __future__ import annotations

import http.client
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from hostio.net.budget import USUAL, Budget, GaveUpError, Timeouts
from hostio.net.fetch import NotFound, Refused, shown
from hostio.net.httpaddress import HttpAddress, parse_address, redirected
from hostio.net.httpconnection import Connections, Route, refusal
from hostio.net.pacedsocket import PacedConnection
from hostio.net.proxies import proxy_for
from hostio.system.clock import Clock
from osmodel.faults import Fault, InvalidInput, TransientFailure, UntrustedData

_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)")
_LENGTH = re.compile(r"[0-9]{1,19}")
_ABSENT = {404, 410}
_FORBIDDEN = 403  # an object store answers so for what it does not hold
_REDIRECTS = {301, 302, 303, 307, 308}
_PARTIAL = 206
_OK = 200
_UNSATISFIABLE = 416
_LARGEST_READ = 1 << 20  # bytes taken from the socket at once
_MOST_REDIRECTS = 5
_MOST_SKIPPED = 3  # connections of one resource that begin at its first byte again
_SECURITY = {"http": 0, "https": 1}
_NO_HTTP = (OSError, http.client.HTTPException, ValueError)


class HttpFetcher:
    """Opens http(s) resources.

    Args:
        clock: measures how long the server keeps us waiting.
        timeouts: when to give up a resource that is opened without a budget.
        proxy: ``http://HOST:PORT``, ``none``, or empty for what the environment says.
        environment: variables that may name a proxy.
    """

    def __init__(
        self,
        clock: Clock,
        timeouts: Timeouts = USUAL,
        *,
        proxy: str = "",
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._clock = clock
        self._timeouts = timeouts
        self._proxy = proxy
        self._environment = environment
        self._connections = Connections()

    def open(self, url: str, offset: int = 0, budget: Budget | None = None) -> HttpStream:
        """See :meth:`hostio.net.fetch.Fetcher.open`."""
        try:
            address = parse_address(url)
        except ValueError as error:
            raise InvalidInput(f"not an http address: {shown(url)!r}") from error
        spent = budget or Budget(self._clock, self._timeouts)
        for _ in range(_MOST_REDIRECTS + 1):
            wanted = _Wanted(_named(url, address), address, offset)
            stream = HttpStream(self._connections, self._route(address), wanted, spent)
            target = stream.redirects_to
            if target is None:
                stream.begin()
                return stream
            stream.close()
            address = _followed(url, address, target)
        raise TransientFailure(f"{shown(url)}: too many redirects")

    def _route(self, address: HttpAddress) -> Route:
        proxy = proxy_for(
            address.scheme, address.host, address.port, self._proxy, self._environment
        )
        return Route(address.scheme, address.host, address.port, proxy)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What one request asks for.

    Attributes:
        name: of the resource, for messages.
        address: where it lies, or was said to lie.
        offset: where in it to begin, in bytes.
    """

    name: str
    address: HttpAddress
    offset: int


class HttpStream:
    """The answer to one request.

    Made with its head read; :meth:`begin` judges it, :meth:`read` takes the body.

    Args:
        connections: where it comes from, and goes back to.
        route: how the server is reached.
        wanted: what is asked for.
        budget: how long the server may keep us waiting.

    Raises:
        TransientFailure: no answer.
    """

    def __init__(
        self,
        connections: Connections,
        route: Route,
        wanted: _Wanted,
        budget: Budget,
    ) -> None:
        self._connections = connections
        self._route = route
        self._url = wanted.name
        self._budget = budget
        self._offset = wanted.offset
        self._total: int | None = None
        self._left: int | None = None
        self._connection: PacedConnection | None
        headers = {"User-Agent": "twinkeel"}
        if wanted.offset:
            headers["Range"] = f"bytes={wanted.offset}-"
        try:
            self._connection, self._response = connections.ask(
                route, wanted.address, headers, budget
            )
        except _NO_HTTP as error:
            raise _failure(self._url, error, route) from error

    @property
    def redirects_to(self) -> str | None:
        """Where the answer leads, if it is elsewhere."""
        if self._response.status not in _REDIRECTS:
            return None
        return self._response.getheader("Location")

    @property
    def total(self) -> int | None:
        """See :attr:`hostio.net.fetch.ByteStream.total`."""
        return self._total

    def begin(self) -> None:
        """Judge the head, and drop what lies before the offset.

        Raises:
            NotFound, TransientFailure: there is no such resource, or not now.
        """
        try:
            self._total, skipped = _checked(self._response, self._url, self._offset)
            if self._total is not None:
                self._left = self._total - self._offset + skipped
            self._skip(skipped)
        except BaseException:
            self.close()
            raise

    def read(self, size: int) -> bytes:
        """See :meth:`hostio.net.fetch.ByteStream.read`."""
        data = self._read(size)
        self._budget.count_resource(len(data))
        return data

    def close(self) -> None:
        """See :meth:`hostio.net.fetch.ByteStream.close`."""
        if self._connection is not None:
            self._connection.close()
            self._response.close()
            self._connection = None

    def _skip(self, count: int) -> None:
        """Drop ``count`` bytes, when a server sends the whole for a part."""
        if count:
            self._budget.count_restart(_MOST_SKIPPED)
        while count:
            data = self._read(count)
            if not data:
                raise TransientFailure(f"{self._url}: ended {count} bytes early")
            self._budget.count_resource(len(data))
            count -= len(data)

    def _read(self, size: int) -> bytes:
        if self._left is not None:
            # Bytes beyond the size claimed in the head are not taken.
            size = min(size, self._left)
        if size == 0 or self._connection is None:
            return b""
        data = self._received(min(size, _LARGEST_READ))
        if self._left is not None:
            if not data:
                raise TransientFailure(f"{self._url}: ended {self._left} bytes early")
            self._left -= len(data)
        if self._left == 0 or not data:
            self._give_back()
        return data

    def _received(self, size: int) -> bytes:
        try:
            # read1: one receive; a plain read would wait for all of ``size``.
            return self._response.read1(size)
        except GaveUpError as error:
            raise TransientFailure(f"{self._url}: {error}") from error
        except _NO_HTTP as error:
            raise TransientFailure(f"{self._url}: {_reason(error)}") from error

    def _give_back(self) -> None:
        """The body was read to its end, as the head announced it."""
        connection, self._connection = self._connection, None
        assert connection is not None
        if self._response.isclosed() or self._response.length == 0:
            self._response.close()
            self._connections.keep(self._route, connection)
        else:
            connection.close()
            self._response.close()


def _named(url: str, address: HttpAddress) -> str:
    """``url`` for messages, with where it was redirected to."""
    asked, here = shown(url), shown(address.absolute)
    led_on = parse_address(url).absolute != address.absolute
    return f"{asked}, redirected to {here[:200]}" if led_on else asked


def _followed(url: str, here: HttpAddress, location: str) -> HttpAddress:
    """Where a redirect leads, once it is found harmless.

    Raises:
        TransientFailure: it is no address at all.
        UntrustedData: it leads away from http, or from https down to http.
    """
    said = f"{shown(url)}: redirects to {shown(location)[:200]!r}"
    try:
        target = redirected(here.absolute, location)
        scheme = target.partition(":")[0].lower()
        if _SECURITY.get(scheme, -1) < _SECURITY[here.scheme]:
            raise UntrustedData(said)
        return parse_address(target)
    except ValueError as error:
        raise TransientFailure(f"{said}, which is no address") from error


def _checked(response: http.client.HTTPResponse, url: str, offset: int) -> tuple[int | None, int]:
    """Total size, and bytes to drop before ``offset``, from an answer's head."""
    status = response.status
    if status in _ABSENT:
        raise NotFound(f"{url}: HTTP {status}")
    if status == _FORBIDDEN:
        raise Refused(f"{url}: HTTP {status}")
    if status == _PARTIAL and offset:
        return _range_total(response, url, offset), 0
    if status == _UNSATISFIABLE and offset:
        raise TransientFailure(f"{url}: holds fewer than {offset} bytes")
    if status != _OK:
        raise refusal(url, status)
    length = response.getheader("Content-Length", "")
    coded = response.getheader("Transfer-Encoding") is not None
    total = int(length) if _LENGTH.fullmatch(length) and not coded else None
    if total is not None and total < offset:
        raise TransientFailure(f"{url}: holds fewer than {offset} bytes")
    return total, offset


def _range_total(response: http.client.HTTPResponse, url: str, offset: int) -> int | None:
    claimed = response.getheader("Content-Range", "")
    found = _RANGE.fullmatch(claimed)
    if found is None or int(found[1]) != offset:
        raise TransientFailure(f"{url}: asked for bytes from {offset}, got range {claimed[:80]!r}")
    if found[3] == "*":
        return None
    if int(found[2]) + 1 != int(found[3]):
        raise TransientFailure(f"{url}: range {claimed!r} stops before the end")
    return int(found[3])


def _failure(url: str, error: Exception, route: Route) -> Fault:
    """What a request without an answer is; faults of the proxy pass through."""
    by = "" if route.proxy is None else f" by the proxy {route.proxy.host}:{route.proxy.port}"
    if isinstance(error, TimeoutError | GaveUpError):
        return TransientFailure(f"{url}: no answer in time{by}")
    hint = ""
    if isinstance(error, ssl.SSLError):
        hint = "check the clock of this machine and its certificate authorities"
    return TransientFailure(f"{url}: {_reason(error)}{by}", hint=hint)


def _reason(error: Exception) -> str:
    """A cause in plain words; library messages quote addresses and passwords."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "TLS failed"
    if isinstance(error, http.client.IncompleteRead | http.client.RemoteDisconnected):
        return "ended early"
    if isinstance(error, TimeoutError):
        return "no byte in time"
    if isinstance(error, OSError):
        return error.strerror or "connection failed"
    return "the answer is not HTTP"
