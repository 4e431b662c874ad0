"""Ask a metadata service until it answers, with back-off and one deadline.

At boot a service may come up after the machine, so a refused connection, a
time-out and a server's error are asked again: after 0.1 s, then twice as long
each time, at most 30 s. A missing item is an answer: services say by it that
none was set. So is a refusal, which time does not change.

One deadline holds for all the questions to one service: a machine whose
service is unreachable comes up late once, not once per item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cloud_config.document.jsontext import parsed
from hostio.net.fetch import shown
from hostio.net.plainhttp import Http, HttpRequest, HttpResponse
from hostio.system.clock import Clock
from osmodel.faults import TransientFailure, UntrustedData

FIRST_PAUSE = 0.1  # seconds
LONGEST_PAUSE = 30.0  # seconds
_ONE_QUESTION = 10.0  # seconds for one exchange

_OK = 200
_AGAIN = frozenset({408, 425, 429})
_SERVER_ERRORS = 500
_ABSENT = frozenset({204, 404, 410})


def pauses() -> Iterator[float]:
    """How long to wait after each failure, in seconds, without end."""
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 2, LONGEST_PAUSE)


class Refused(UntrustedData):
    """The service understood and said no; its status is kept."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Service:
    """One metadata service.

    Attributes:
        http: carries the questions.
        clock: measures the deadline.
        address: scheme and host, e.g. ``http://169.254.169.254``.
        deadline: moment of ``clock.monotonic()`` after which nothing is asked again.
        headers: sent with each question.
    """

    http: Http
    clock: Clock
    address: str
    deadline: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def find(self, path: str) -> bytes | None:
        """The content at ``path``, or ``None`` if the service has none there.

        Raises:
            TransientFailure: no usable answer before the deadline.
            Refused: the service will not say.
        """
        answer = self.ask(path)
        return None if answer is None else answer.body

    def text(self, path: str) -> str:
        """The content at ``path`` as one stripped text; empty if there is none."""
        return (self.find(path) or b"").decode(errors="replace").strip()

    def table(self, path: str) -> Mapping[str, object] | None:
        """The JSON object at ``path``, or ``None`` if there is none.

        Raises:
            UntrustedData: the answer is something else.
        """
        content = self.find(path)
        return None if content is None else parsed_object(content, self.address + path)

    def ask(self, path: str, method: str = "GET") -> HttpResponse | None:
        """A good answer, or ``None`` for a missing item; see :meth:`find`."""
        request = HttpRequest(self.address + path, method, self.headers)
        for pause in pauses():
            failure, answer = self._tried(request)
            if answer is not None:
                return None if answer.status in _ABSENT else answer
            if self.clock.monotonic() + pause > self.deadline:
                raise failure
            self.clock.sleep(pause)
        raise AssertionError  # the pauses have no end

    def _tried(self, request: HttpRequest) -> tuple[TransientFailure, HttpResponse | None]:
        left = max(self.deadline - self.clock.monotonic(), 1.0)
        try:
            answer = self.http.ask(request, min(_ONE_QUESTION, left))
        except TransientFailure as unanswered:
            return unanswered, None
        failure = TransientFailure(f"{shown(request.url)}: HTTP {answer.status}")
        if answer.status >= _SERVER_ERRORS or answer.status in _AGAIN:
            return failure, None
        if answer.status != _OK and answer.status not in _ABSENT:
            raise Refused(str(failure), answer.status)
        return failure, answer


def parsed_object(content: bytes, where: str) -> Mapping[str, object]:
    """``content`` as a JSON object.

    Raises:
        UntrustedData: it is something else.
    """
    try:
        table = parsed(content)
    except ValueError as error:
        raise UntrustedData(f"{shown(where)}: not JSON") from error
    if not isinstance(table, dict):
        raise UntrustedData(f"{shown(where)}: not a JSON object")
    return table
