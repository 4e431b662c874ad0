"""Commands to a running QEMU.

Each command is a conversation of its own: connect, greet, ask, hang up. So no
connection has to survive a killed QEMU.

Source: QEMU Machine Protocol specification, docs/interop/qmp-spec.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager

from hostio.net.localsocket import LineChannel
from osmodel.faults import HostFailure

_EVENTS_SKIPPED = 100  # more than QEMU ever sends between a command and its answer

Connect = Callable[[], AbstractContextManager[LineChannel]]


class Monitor:
    """Talks to one QEMU.

    Args:
        connect: opens its control socket.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def execute(self, command: str) -> None:
        """Have QEMU do ``command``, for example ``system_powerdown``.

        Raises:
            HostFailure: QEMU is gone or refuses.
        """
        with self._connect() as channel:
            channel.receive()  # the greeting; its capabilities do not matter here
            _ask(channel, "qmp_capabilities")
            _ask(channel, command)


def _ask(channel: LineChannel, command: str) -> None:
    channel.send(json.dumps({"execute": command}).encode())
    for _ in range(_EVENTS_SKIPPED):
        answer = json.loads(channel.receive())
        if "return" in answer:
            return
        if "error" in answer:
            raise HostFailure(f"QEMU refused {command}: {answer['error'].get('desc', '')}")
    raise HostFailure(f"QEMU did not answer {command}")
