"""A bus in memory: the fake of ``hostio.system.bus.Bus``."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from hostio.system.bus import CALL_TIMEOUT, MethodCall, ReceivedSignal, SignalMatch
from osmodel.faults import TransientFailure
from tests.fakes.clock import StoppedClock

Answer = Callable[[MethodCall], Sequence[object]]


class RamBus:
    """Answers calls from a script and hands out signals that a test emits.

    Args:
        answers: by ``DESTINATION MEMBER``; a fault that one raises is the answer.
        clock: moves on while a signal is waited for in vain.
    """

    def __init__(self, answers: Mapping[str, Answer], clock: StoppedClock | None = None) -> None:
        self.answers = dict(answers)
        self.calls: list[MethodCall] = []
        self.matches: list[SignalMatch] = []
        self.clock = clock or StoppedClock()
        self._heard: deque[ReceivedSignal] = deque()

    def call(self, call: MethodCall, *, timeout: float = CALL_TIMEOUT) -> Sequence[object]:
        del timeout
        self.calls.append(call)
        destinations = {key.partition(" ")[0] for key in self.answers}
        if call.destination not in destinations:
            raise TransientFailure(f"D-Bus: {call}: no such service")
        return self.answers[f"{call.destination} {call.member}"](call)

    def subscribe(self, match: SignalMatch) -> None:
        if match not in self.matches:
            self.matches.append(match)

    def next_signal(self, timeout: float) -> ReceivedSignal | None:
        if not self._heard:
            self.clock.sleep(timeout)
            return None
        return self._heard.popleft()

    def emit(
        self, sender: str, path: str, interface: str, member: str, body: Sequence[object]
    ) -> None:
        """Send a signal; heard by whoever subscribed."""
        for match in self.matches:
            wanted = (match.sender, match.interface, match.member)
            if (sender, interface, member) == wanted and match.path in ("", path):
                self._heard.append(ReceivedSignal(match, path, list(body)))
