"""Conversations with QEMU's control socket."""

import contextlib
from collections.abc import Iterator

import pytest

from builder.machine.monitor import Monitor
from osmodel.faults import HostFailure

GREETING = b'{"QMP": {"version": {}, "capabilities": []}}'
DONE = b'{"return": {}}'
EVENT = b'{"event": "RESET", "data": {"guest": true}}'


class ScriptedChannel:
    def __init__(self, *answers: bytes) -> None:
        self.sent: list[bytes] = []
        self._answers = list(answers)

    def send(self, line: bytes) -> None:
        self.sent.append(line)

    def receive(self) -> bytes:
        if not self._answers:
            raise HostFailure("closed by the other side")
        return self._answers.pop(0)

    @contextlib.contextmanager
    def opened(self) -> Iterator["ScriptedChannel"]:
        yield self


def test_a_command_is_sent_after_the_handshake() -> None:
    channel = ScriptedChannel(GREETING, DONE, DONE)
    Monitor(channel.opened).execute("system_powerdown")
    wanted = [b'{"execute": "qmp_capabilities"}', b'{"execute": "system_powerdown"}']
    assert channel.sent == wanted


def test_events_between_command_and_answer_are_skipped() -> None:
    channel = ScriptedChannel(GREETING, EVENT, DONE, EVENT, EVENT, DONE)
    Monitor(channel.opened).execute("system_reset")
    assert len(channel.sent) == 2


def test_a_refusal_says_what_qemu_said() -> None:
    refusal = b'{"error": {"class": "CommandNotFound", "desc": "no such command"}}'
    channel = ScriptedChannel(GREETING, DONE, refusal)
    with pytest.raises(HostFailure, match="QEMU refused dance: no such command"):
        Monitor(channel.opened).execute("dance")


def test_a_qemu_that_only_sends_events_is_given_up() -> None:
    channel = ScriptedChannel(GREETING, DONE, *[EVENT] * 200)
    with pytest.raises(HostFailure, match="did not answer"):
        Monitor(channel.opened).execute("system_reset")
