"""The D-Bus client port: call a method, hear a signal, within a time-out.

Synchronous, one caller at a time. Nothing here imports a D-Bus library, so that
a ``World`` can name the port without paying for the adapter, which is
``hostio.system.busclient``.

Source: D-Bus Specification 0.43.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from osmodel.faults import HostFailure

CALL_TIMEOUT = 25.0  # seconds; what libdbus and sd-bus wait by default


@dataclass(frozen=True, slots=True)
class Variant:
    """A value that carries its own type (``v``), for the body of a call.

    Attributes:
        signature: one complete type.
        value: of that type.
    """

    signature: str
    value: object


@dataclass(frozen=True, slots=True)
class MethodCall:
    """One call.

    Attributes:
        destination: bus name, e.g. ``org.freedesktop.login1``.
        path: object path.
        interface: of the method.
        member: the method.
        signature: of ``body``.
        body: arguments; a struct is a list, a value of type ``v`` a :class:`Variant`.
    """

    destination: str
    path: str
    interface: str
    member: str
    signature: str = ""
    body: Sequence[object] = ()

    def __str__(self) -> str:
        return f"{self.destination} {self.interface}.{self.member}"


@dataclass(frozen=True, slots=True)
class SignalMatch:
    """Which signals to hear.

    Attributes:
        sender: bus name; only signals of its owner at that moment are heard.
        interface: of the signal.
        member: the signal.
        path: of the object that sends it; empty for any.
    """

    sender: str
    interface: str
    member: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class ReceivedSignal:
    """A signal that was heard.

    Attributes:
        match: the subscription it answers.
        path: of the object that sent it.
        body: its values; variants are their values.
    """

    match: SignalMatch
    path: str
    body: Sequence[object]


class CallRefused(HostFailure):
    """The other side answered with an error.

    Attributes:
        error_name: e.g. ``org.freedesktop.systemd1.NoSuchUnit``.
    """

    def __init__(self, message: str, *, error_name: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.error_name = error_name


class Bus(Protocol):
    """Port for a message bus; the fake is ``tests.fakes.rambus.RamBus``.

    All raise ``TransientFailure`` when the bus is not there or went away: the
    same call on a new connection may succeed.
    """

    def call(self, call: MethodCall, *, timeout: float = CALL_TIMEOUT) -> Sequence[object]:
        """Call a method and return what it returns; variants are their values.

        A file descriptor among the values is open, and the caller's to close.

        Args:
            call: what to call.
            timeout: seconds.

        Raises:
            CallRefused: an error was the answer.
            TransientFailure: no such service, or no answer in time.
            InvalidInput: the body does not have the signature.
        """
        ...

    def subscribe(self, match: SignalMatch) -> None:
        """Hear a signal from here on; subscribing twice is subscribing once."""
        ...

    def next_signal(self, timeout: float) -> ReceivedSignal | None:
        """The oldest signal that was not handed out yet, or ``None`` in time.

        Those that arrive during a call are kept for this.

        Args:
            timeout: seconds; 0 asks for what has arrived already.
        """
        ...
