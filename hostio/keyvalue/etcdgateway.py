"""etcd over its JSON gateway: several endpoints, TLS, client certificates, passwords.

The standard library is enough: docs/adr has what was measured against the
library that is packaged. Proxies of the environment are not used, redirects are
not followed, and one deadline bounds each call, whatever a server drips.

A call tries the endpoints in turn, beginning with the one that answered last. A
change is tried elsewhere only while it is certain that it was not sent: after
that its outcome is unknown.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from hostio.keyvalue import etcdwire
from hostio.keyvalue.etcdwire import Fields
from hostio.keyvalue.port import UnknownOutcome
from hostio.system.clock import Clock
from osmodel.faults import InvalidInput, TransientFailure, UntrustedData
from osmodel.keyvalue import KeyChange, Outcome, Range, Transaction

_LARGEST = 16 << 20  # bytes of one answer; etcd itself takes requests of 1.5 MiB
_PIECE = 64 << 10
_TIMEOUT = 5.0  # seconds for a call on one endpoint
_PORT = 2379
_REFUSED = (3, 7, 9, 12, 16)  # gRPC: invalid, denied, precondition, unimplemented, unauthenticated

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EtcdAccess:
    """How to reach a cluster.

    Attributes:
        endpoints: ``http://`` or ``https://`` addresses of its members.
        ca_file: certificates that vouch for the servers; the system's if empty.
        cert_file: certificate of this client, or empty.
        key_file: its key; empty if it is in ``cert_file``.
        username: or empty.
        password: never shown.
    """

    endpoints: tuple[str, ...]
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class _Endpoint:
    url: str
    host: str
    port: int
    tls: bool


class EtcdGateway:
    """A cluster; see ``KeyStore`` and ``Leases`` of :mod:`hostio.keyvalue.port`.

    Args:
        access: how to reach it.
        clock: for deadlines.
        timeout: seconds for a call on one endpoint.

    Raises:
        InvalidInput: an endpoint is no address, or a certificate cannot be read.
    """

    def __init__(self, access: EtcdAccess, clock: Clock, timeout: float = _TIMEOUT) -> None:
        if not access.endpoints:
            raise InvalidInput("etcd: no endpoint is configured")
        self._access = access
        self._clock = clock
        self._timeout = timeout
        self._endpoints = [_endpoint(url) for url in access.endpoints]
        self._tls = _tls(access) if any(one.tls for one in self._endpoints) else None
        self._token = ""

    def commit(self, transaction: Transaction) -> Outcome:
        """See :meth:`hostio.keyvalue.port.KeyStore.commit`."""
        request = etcdwire.transaction_request(transaction)
        fields = self._call("kv/txn", request, changes=bool(transaction.changes))
        return etcdwire.parse_outcome(fields, transaction)

    def watch(self, ranges: Sequence[Range], revision: int, timeout: float) -> Sequence[KeyChange]:
        """See :meth:`hostio.keyvalue.port.KeyStore.watch`."""
        body = etcdwire.watch_request(ranges, revision).encode()

        def attempt(endpoint: _Endpoint) -> Sequence[KeyChange]:
            with _closing(self._connected(endpoint)) as connection:
                try:
                    response = self._sent(connection, "watch", body)
                    return self._first_change(connection, response, timeout)
                except (OSError, http.client.HTTPException, ValueError) as error:
                    raise TransientFailure(f"{endpoint.url}: {_reason(error)}") from error

        return self._on_some_endpoint(lambda one: self._authenticated(one, attempt))

    def grant(self, seconds: int) -> int:
        """See :meth:`hostio.keyvalue.port.Leases.grant`."""
        return etcdwire.number(self._call("lease/grant", {"TTL": str(seconds)}), "ID")

    def keep_alive(self, lease: int) -> int:
        """See :meth:`hostio.keyvalue.port.Leases.keep_alive`."""
        answer = self._call("lease/keepalive", {"ID": str(lease)})
        return max(etcdwire.number(etcdwire.table(answer.get("result")), "TTL"), 0)

    def revoke(self, lease: int) -> None:
        """See :meth:`hostio.keyvalue.port.Leases.revoke`."""
        if self.keep_alive(lease):
            self._call("lease/revoke", {"ID": str(lease)})

    def _call(self, path: str, request: Fields, *, changes: bool = False) -> Fields:
        body = json.dumps(request).encode()

        def attempt(endpoint: _Endpoint) -> Fields:
            connection = self._connected(endpoint)
            with _closing(connection):
                try:
                    response = self._sent(connection, path, body)
                    return etcdwire.parse_object(self._body(connection, response))
                except (OSError, http.client.HTTPException, ValueError) as error:
                    kind = UnknownOutcome if changes else TransientFailure
                    raise kind(f"{endpoint.url}: {_reason(error)}") from error
                except TransientFailure as fault:
                    if changes:
                        raise UnknownOutcome(str(fault), hint=fault.hint) from fault
                    raise

        return self._on_some_endpoint(lambda one: self._authenticated(one, attempt))

    def _on_some_endpoint(self, attempt: Callable[[_Endpoint], T]) -> T:
        problems: list[str] = []
        for endpoint in list(self._endpoints):
            try:
                return attempt(endpoint)
            except TransientFailure as fault:
                # The next call begins with another one.
                self._endpoints.remove(endpoint)
                self._endpoints.append(endpoint)
                if isinstance(fault, UnknownOutcome):
                    raise
                problems.append(str(fault))
        hint = "is etcd running there, and does the scheme (http, https) fit?"
        raise TransientFailure(f"no answer from etcd: {'; '.join(problems)}", hint=hint)

    def _authenticated(self, endpoint: _Endpoint, attempt: Callable[[_Endpoint], T]) -> T:
        """Try; with a fresh token if the one that is kept has ended."""
        if not self._access.username:
            return attempt(endpoint)
        fresh = not self._token
        if fresh:
            self._token = self._log_in(endpoint)
        try:
            return attempt(endpoint)
        except InvalidInput:
            if fresh:
                raise
            self._token = self._log_in(endpoint)
            return attempt(endpoint)

    def _log_in(self, endpoint: _Endpoint) -> str:
        self._token = ""
        request = {"name": self._access.username, "password": self._access.password}
        with _closing(self._connected(endpoint)) as connection:
            try:
                response = self._sent(connection, "auth/authenticate", json.dumps(request).encode())
                fields = etcdwire.parse_object(self._body(connection, response))
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise TransientFailure(f"{endpoint.url}: {_reason(error)}") from error
        token = fields.get("token")
        if not isinstance(token, str) or not token.isprintable():
            raise UntrustedData("etcd: no token in the answer to a login")
        return token

    def _connected(self, endpoint: _Endpoint) -> http.client.HTTPConnection:
        """A connection over which nothing was sent."""
        connection: http.client.HTTPConnection
        if endpoint.tls:
            connection = http.client.HTTPSConnection(
                endpoint.host, endpoint.port, timeout=self._timeout, context=self._tls
            )
        else:
            connection = http.client.HTTPConnection(
                endpoint.host, endpoint.port, timeout=self._timeout
            )
        try:
            connection.connect()
        except (OSError, ValueError) as error:
            connection.close()
            raise TransientFailure(f"{endpoint.url}: {_reason(error)}") from error
        return connection

    def _sent(
        self, connection: http.client.HTTPConnection, path: str, body: bytes
    ) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = self._token
        connection.request("POST", f"/v3/{path}", body, headers)
        response = connection.getresponse()
        if response.status != http.HTTPStatus.OK:
            self._refuse(connection, response)
        return response

    def _refuse(
        self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse
    ) -> None:
        raw = self._body(connection, response)
        try:
            fields = etcdwire.parse_object(raw)
            code, text = fields.get("code"), str(fields.get("message") or fields.get("error"))
        except UntrustedData:
            code, text = None, f"HTTP status {response.status}"
        told = f"{connection.host}:{connection.port}: {text[:200]!r}"
        if code in _REFUSED:
            raise InvalidInput(f"etcd refuses: {told}")
        raise TransientFailure(f"etcd cannot at the moment: {told}")

    def _body(
        self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse
    ) -> bytes:
        """All of it, within the deadline of the call."""
        until = self._clock.monotonic() + self._timeout
        body = bytearray()
        while piece := self._piece(connection, response, until):
            body += piece
            if len(body) > _LARGEST:
                raise UntrustedData(f"etcd: an answer of more than {_LARGEST} bytes")
        return bytes(body)

    def _piece(
        self,
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
        until: float,
    ) -> bytes:
        left = until - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError("no end of the answer in time")
        if isinstance(connection.sock, socket.socket):
            connection.sock.settimeout(left)
        return response.read1(_PIECE)

    def _first_change(
        self,
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
        timeout: float,
    ) -> Sequence[KeyChange]:
        """The changes of the first message that has any; nothing when time is up."""
        until = self._clock.monotonic() + timeout
        try:
            for line in self._lines(connection, response, until):
                fields = etcdwire.parse_object(line)
                result = etcdwire.table(fields.get("result"))
                if result.get("canceled") or "error" in fields:
                    told = str(result.get("cancel_reason") or fields.get("error") or "compacted")
                    raise TransientFailure(f"etcd ends the watch: {told[:200]!r}")
                if found := etcdwire.parse_events(result):
                    return found
        except TimeoutError:
            return ()
        raise TransientFailure("etcd ends the watch")

    def _lines(
        self,
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
        until: float,
    ) -> Iterator[bytes]:
        pending = b""
        while piece := self._piece(connection, response, until):
            *lines, pending = (pending + piece).split(b"\n")
            yield from (line for line in lines if line.strip())
            if len(pending) > _LARGEST:
                raise UntrustedData(f"etcd: a message of more than {_LARGEST} bytes")


class _closing:  # noqa: N801 - used as a statement, as contextlib.closing is
    """Closes a connection at once, also under an answer that has not ended."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def __enter__(self) -> http.client.HTTPConnection:
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _endpoint(url: str) -> _Endpoint:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
    except ValueError as error:
        raise InvalidInput(f"etcd: not an endpoint: {url!r}") from error
    plain = not (parts.username or parts.password or parts.query or parts.path.strip("/"))
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise InvalidInput(
            f"etcd: not an endpoint: {url!r}", hint="such as https://etcd1.example:2379"
        )
    return _Endpoint(url, parts.hostname, port, parts.scheme == "https")


def _tls(access: EtcdAccess) -> ssl.SSLContext:
    for name in (access.ca_file, access.cert_file, access.key_file):
        if name and not Path(name).is_file():
            raise InvalidInput(f"etcd: {name}: no such file")
    try:
        context = ssl.create_default_context(cafile=access.ca_file or None)
        if access.cert_file:
            context.load_cert_chain(access.cert_file, access.key_file or None, password=_nobody)
    except (OSError, ValueError) as error:
        names = ", ".join(filter(None, (access.ca_file, access.cert_file, access.key_file)))
        raise InvalidInput(f"etcd: cannot use {names}: {_reason(error)}") from error
    return context


def _nobody() -> str:
    """No password is asked for on a terminal."""
    raise ValueError("the key is encrypted")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
