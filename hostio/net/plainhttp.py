"""Ask a service of the platform: small answers over plain http, never by a proxy.

For metadata services at link-local addresses. They are one hop away and speak
no TLS, so the standard library is enough, and it loads in a fraction of the
time that a full client takes at every boot. No redirects are followed: a
service that wants to lead us elsewhere is not the one we asked. Each call has
one deadline over connecting, sending and all of the answer.
"""

from __future__ import annotations

import contextlib
import http.client
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from hostio.net.budget import Budget, GaveUpError, Timeouts
from hostio.net.fetch import shown
from hostio.net.httpaddress import parse_address
from hostio.net.pacedsocket import PacedConnection
from hostio.system.clock import Clock
from osmodel.faults import InvalidInput, TransientFailure

_LARGEST = 4 << 20  # bytes of an answer; user data is at most a quarter of it
_PIECE = 64 << 10


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One question.

    Attributes:
        url: of scheme ``http``.
        method: ``GET`` or ``PUT``.
        headers: sent as they are; never shown in messages.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class HttpResponse(NamedTuple):
    """What came back, whatever its status.

    Attributes:
        status: HTTP status code.
        headers: names in lower case.
        body: at most 4 MiB.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http(Protocol):
    """Port for asking; tests use a real server on the loopback."""

    def ask(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Send a request and read the whole answer.

        Args:
            request: what to ask.
            timeout: seconds for all of it.

        Raises:
            InvalidInput: not an http address.
            TransientFailure: no answer in time, or not in HTTP, or at
                greater length than any such service does.
        """
        ...


class PlainHttp:
    """Asks over the network of this machine."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def ask(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """See :meth:`Http.ask`."""
        try:
            address = parse_address(request.url)
        except ValueError as error:
            raise InvalidInput(f"not a plain http address: {shown(request.url)!r}") from error
        if address.scheme != "http":
            raise InvalidInput(f"not a plain http address: {shown(request.url)!r}")
        # At this rate no byte gives anything back, so the budget is one deadline.
        limits = Timeouts(timeout, timeout, timeout, least_rate=math.inf)
        budget = Budget(self._clock, limits)
        connection = PacedConnection(address.host, address.port, budget)
        try:
            connection.request(request.method, address.target, headers=dict(request.headers))
            response = connection.getresponse()
            with contextlib.closing(response):
                body = _body(response, request.url, budget)
        except GaveUpError as error:
            reason = f"no whole answer in {timeout:g} s" if budget.is_used_up else str(error)
            raise TransientFailure(f"{shown(request.url)}: {reason}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise TransientFailure(f"{shown(request.url)}: {reason}") from error
        finally:
            connection.close()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return HttpResponse(response.status, headers, body)


def _body(response: http.client.HTTPResponse, url: str, budget: Budget) -> bytes:
    """Everything; read piece by piece so that it is never larger than allowed."""
    body = bytearray()
    while piece := response.read1(_PIECE):
        budget.count_resource(len(piece))
        body += piece
        if len(body) > _LARGEST:
            raise TransientFailure(f"{shown(url)}: answer of more than {_LARGEST} bytes")
    if response.length:
        raise TransientFailure(f"{shown(url)}: ended {response.length} bytes early")
    return bytes(body)
