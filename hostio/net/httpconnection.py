"""One request at a time over http or https, directly or through a proxy.

Connections are kept for the next request to the same place, because a
repository is many small files. Bodies are read by the caller, or never: a
connection whose answer was not read to its end is closed, not drained.
"""

from __future__ import annotations

import http.client
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from hostio.net.budget import Budget
from hostio.net.httpaddress import HttpAddress
from hostio.net.pacedsocket import PacedConnection, PacedSocket
from hostio.net.proxies import Proxy
from osmodel.faults import TransientFailure

_OK = 200
_MOST_KEPT = 4
_GONE = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)


@dataclass(frozen=True, slots=True)
class Route:
    """How a place is reached.

    Attributes:
        scheme: ``http`` or ``https``.
        host: name or address.
        port: number.
        proxy: in between, if any.
    """

    scheme: str
    host: str
    port: int
    proxy: Proxy | None


class TlsConnection(PacedConnection):
    """An HTTP connection inside TLS; through a proxy by ``CONNECT``."""

    default_port = http.client.HTTPS_PORT

    def __init__(self, route: Route, budget: Budget, context: ssl.SSLContext) -> None:
        super().__init__(route.host, route.port, budget)
        self._proxy = route.proxy
        self._context = context

    def connect(self) -> None:
        """See :meth:`http.client.HTTPConnection.connect`."""
        plain = self.dialled() if self._proxy is None else self._tunnelled(self._proxy)
        try:
            with self.budget.waiting():
                plain.settimeout(self.budget.next_wait())
                secured = self._context.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise
        self.sock = PacedSocket(secured, self.budget)

    def _tunnelled(self, proxy: Proxy) -> ssl.SSLSocket:
        towards = PacedConnection(proxy.host, proxy.port, self.budget)
        towards.connect()
        host = f"[{self.host}]" if ":" in self.host else self.host
        wanted = f"{host}:{self.port}"
        lines = [f"CONNECT {wanted} HTTP/1.1", f"Host: {wanted}"]
        if proxy.authorization:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        towards.sock.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        answer = http.client.HTTPResponse(towards.sock, method="CONNECT")
        answer.begin()
        if answer.status != _OK:
            towards.close()
            answer.close()
            raise refusal("the proxy", answer.status)
        # Nothing of what follows was read ahead: the server speaks after us.
        connected: ssl.SSLSocket = towards.sock.connected
        return connected


@dataclass(slots=True)
class Connections:
    """Connections that are open, by the place they lead to."""

    _kept: deque[tuple[Route, PacedConnection]] = field(
        default_factory=lambda: deque(maxlen=_MOST_KEPT)
    )
    _context: ssl.SSLContext | None = None

    def ask(
        self, route: Route, address: HttpAddress, headers: Mapping[str, str], budget: Budget
    ) -> tuple[PacedConnection, http.client.HTTPResponse]:
        """Send a GET and read the head of its answer.

        Raises:
            OSError, http.client.HTTPException, ValueError: no answer, or none
                in HTTP; the connection is closed.
        """
        kept = self._take(route)
        if kept is not None:
            kept.spend(budget)
            try:
                return kept, _asked(kept, route, address, headers)
            except _GONE:
                pass  # the server had ended it meanwhile
        fresh = self._fresh(route, budget)
        return fresh, _asked(fresh, route, address, headers)

    def _fresh(self, route: Route, budget: Budget) -> PacedConnection:
        if route.scheme == "https":
            if self._context is None:
                # The authorities of this system, or of SSL_CERT_FILE and SSL_CERT_DIR.
                self._context = ssl.create_default_context()
            return TlsConnection(route, budget, self._context)
        place = route.proxy or route
        return PacedConnection(place.host, place.port, budget)

    def keep(self, route: Route, connection: PacedConnection) -> None:
        """Use ``connection`` again; its answer was read to the end."""
        if connection.sock is not None:
            if len(self._kept) == _MOST_KEPT:
                self._kept.popleft()[1].close()
            self._kept.append((route, connection))

    def __del__(self) -> None:
        for _, connection in self._kept:
            connection.close()

    def _take(self, route: Route) -> PacedConnection | None:
        for _ in range(len(self._kept)):
            place, connection = self._kept.popleft()
            if place == route:
                return connection
            self._kept.append((place, connection))
        return None


def refusal(who: str, status: int) -> TransientFailure:
    """What a status says that neither delivers nor denies a resource."""
    if status == http.client.PROXY_AUTHENTICATION_REQUIRED:
        return TransientFailure(
            f"{who}: HTTP {status}: the proxy wants a user and a password",
            hint="set the proxy as http://USER:PASSWORD@HOST:PORT",
        )
    if status == http.client.NETWORK_AUTHENTICATION_REQUIRED:
        return TransientFailure(
            f"{who}: HTTP {status}: this network wants a login (a captive portal)"
        )
    return TransientFailure(f"{who}: HTTP {status}")


def _asked(
    connection: PacedConnection, route: Route, address: HttpAddress, headers: Mapping[str, str]
) -> http.client.HTTPResponse:
    target, more = address.target, dict(headers)
    if route.proxy is not None and route.scheme == "http":
        target = address.absolute
        if route.proxy.authorization:
            more["Proxy-Authorization"] = route.proxy.authorization
    if address.authorization:
        more["Authorization"] = address.authorization
    try:
        connection.request("GET", target, headers=more)
        return connection.getresponse()
    except BaseException:
        connection.close()
        raise
