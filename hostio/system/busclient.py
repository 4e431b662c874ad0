"""A connection to a message bus; see ``hostio.system.bus``.

dbus-fast speaks asyncio; its loop runs here only while a call waits, so what
arrives in between waits in the socket and is read by the next call.

A signal is believed only when the bus names the owner of the wanted name as
its sender. The match rule alone does not say so: it selects broadcasts, and any
process may send a signal to this connection alone.

Source: D-Bus Specification 0.43, "Message Bus Message Routing".
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import dbus_fast
from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus

from hostio.system.bus import (
    CALL_TIMEOUT,
    CallRefused,
    MethodCall,
    ReceivedSignal,
    SignalMatch,
    Variant,
)
from osmodel.faults import Fault, InvalidInput, TransientFailure

_DBUS = "org.freedesktop.DBus"
_DBUS_PATH = "/org/freedesktop/DBus"
# Nothing answered, as opposed to a refusal.
_ABSENT = {
    f"{_DBUS}.Error.{name}"
    for name in ("Disconnected", "NameHasNoOwner", "NoReply", "ServiceUnknown", "TimedOut")
}
# What the library raises for a body that does not have its signature.
_UNFIT = (AttributeError, OverflowError, TypeError, ValueError, struct.error)
_MOST_KEPT = 10_000  # signals; a caller that never asks for them must not fill the memory


class BusConnection:
    """One connection; see :class:`hostio.system.bus.Bus`.

    Args:
        address: of the bus; the system bus by default.

    Raises:
        TransientFailure: no bus there.
    """

    def __init__(self, address: str | None = None) -> None:
        # The bus itself has no owner to ask for: it stamps this name.
        self._owners: dict[str, str | None] = {_DBUS: _DBUS}
        self._matches: list[SignalMatch] = []
        self._heard: deque[ReceivedSignal] = deque(maxlen=_MOST_KEPT)
        self._stirred = asyncio.Event()
        self._runner = asyncio.Runner()
        try:
            self._bus = self._runner.run(self._connect(address))
        except BaseException:
            self._runner.close()
            raise

    def call(self, call: MethodCall, *, timeout: float = CALL_TIMEOUT) -> Sequence[object]:
        """See :meth:`hostio.system.bus.Bus.call`."""
        return self._runner.run(self._call(call, timeout))

    def subscribe(self, match: SignalMatch) -> None:
        """See :meth:`hostio.system.bus.Bus.subscribe`."""
        if match not in self._matches:
            self._runner.run(self._subscribe(match))

    def next_signal(self, timeout: float) -> ReceivedSignal | None:
        """See :meth:`hostio.system.bus.Bus.next_signal`."""
        self._runner.run(self._listen(timeout))
        return self._heard.popleft() if self._heard else None

    def close(self) -> None:
        """Give the connection back."""
        self._bus.disconnect()
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def _connect(self, address: str | None) -> MessageBus:
        bus: MessageBus | None = None
        try:
            bus = MessageBus(address, BusType.SYSTEM, negotiate_unix_fd=True)
            await asyncio.wait_for(bus.connect(), CALL_TIMEOUT)
        except (OSError, EOFError, ValueError, dbus_fast.DBusError, dbus_fast.AuthError) as error:
            if bus is not None:
                bus.disconnect()
            reason = str(error) or type(error).__name__
            raise TransientFailure(f"D-Bus: cannot connect: {reason}") from error
        bus.add_message_handler(self._hear)
        ending = bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # not ours
        gone: asyncio.Future[None] = asyncio.ensure_future(ending)
        gone.add_done_callback(self._went_away)
        return bus

    def _went_away(self, gone: asyncio.Future[None]) -> None:
        if not gone.cancelled():
            gone.exception()  # that it ended says enough
        self._stirred.set()

    async def _call(self, call: MethodCall, seconds: float) -> Sequence[object]:
        if not self._bus.connected:
            raise TransientFailure(f"D-Bus: {call}: the bus went away")
        try:
            reply = await asyncio.wait_for(self._bus.call(_message(call)), seconds)
        except TimeoutError as error:
            raise TransientFailure(f"D-Bus: {call}: no answer in {seconds:g} s") from error
        except (OSError, EOFError) as error:
            raise TransientFailure(f"D-Bus: {call}: {error}") from error
        except _UNFIT as error:
            raise InvalidInput(f"D-Bus: {call}: {error}") from error
        if reply is None:
            raise TransientFailure(f"D-Bus: {call}: the bus went away")
        if reply.message_type is MessageType.ERROR:
            raise _refusal(call, reply)
        return _values(reply)

    async def _subscribe(self, match: SignalMatch) -> None:
        self._matches.append(match)
        rule = f"type='signal',sender='{match.sender}',interface='{match.interface}'"
        path = f",path='{match.path}'" if match.path else ""
        await self._ask("AddMatch", f"{rule},member='{match.member}'{path}")
        if match.sender not in self._owners:
            await self._follow_owner(match.sender)

    async def _follow_owner(self, name: str) -> None:
        """Know from here on who owns ``name``."""
        self._owners[name] = None
        # Changes are heard before the owner is asked for: none can fall between.
        changes = f"type='signal',sender='{_DBUS}',interface='{_DBUS}',member='NameOwnerChanged'"
        await self._ask("AddMatch", f"{changes},arg0='{name}'")
        try:
            (owner,) = await self._ask("GetNameOwner", name)
        except TransientFailure:
            return  # not there yet
        if self._owners[name] is None:  # or a change came after the answer
            self._owners[name] = str(owner)

    async def _ask(self, member: str, argument: str) -> Sequence[object]:
        call = MethodCall(_DBUS, _DBUS_PATH, _DBUS, member, "s", [argument])
        return await self._call(call, CALL_TIMEOUT)

    async def _listen(self, seconds: float) -> None:
        """Wait until a signal is there, or the time is over.

        Raises:
            TransientFailure: the bus went away and nothing is left to be heard.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # by the second turn, what lay in the socket is read
        while not self._heard:
            if not self._bus.connected:
                raise TransientFailure("D-Bus: the bus went away")
            self._stirred.clear()
            try:
                async with asyncio.timeout_at(until):
                    await self._stirred.wait()
            except TimeoutError:
                return

    def _hear(self, message: Message) -> None:
        """Keep what was subscribed to; called for every message."""
        if message.message_type in (MessageType.METHOD_RETURN, MessageType.ERROR):
            return
        for descriptor in message.unix_fds:
            os.close(descriptor)  # any process may send us some; nothing of ours wants them
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.sender == _DBUS and message.member == "NameOwnerChanged":
            name, _, owner = message.body
            if name in self._owners:
                self._owners[name] = owner
        for match in self._matches:
            if self._answers(message, match):
                body = dbus_fast.unpack_variants(message.body)
                self._heard.append(ReceivedSignal(match, message.path or "", body))
                self._stirred.set()

    def _answers(self, message: Message, match: SignalMatch) -> bool:
        return (
            (message.interface, message.member) == (match.interface, match.member)
            and match.path in ("", message.path)
            and message.sender == self._owners.get(match.sender)
        )


def _message(call: MethodCall) -> Message:
    body = [_library_value(value) for value in call.body]
    message = Message(
        destination=call.destination,
        path=call.path,
        interface=call.interface,
        member=call.member,
        signature=call.signature,
        body=body,
    )
    if len(message.signature_tree.types) != len(body):
        raise ValueError(f"{len(body)} arguments for the signature {call.signature!r}")
    return message


def _library_value(value: object) -> object:
    """The same with the library's own variants."""
    if isinstance(value, Variant):
        return dbus_fast.Variant(value.signature, _library_value(value.value))
    if isinstance(value, Mapping):
        return {key: _library_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_library_value(item) for item in value]
    return value


def _values(reply: Message) -> Sequence[object]:
    values: list[object] = list(dbus_fast.unpack_variants(reply.body))
    descriptors = list(reply.unix_fds)
    for place, kind in enumerate(reply.signature_tree.types):
        if kind.signature == "h":
            values[place] = reply.unix_fds[reply.body[place]]
            descriptors.remove(reply.unix_fds[reply.body[place]])
    for descriptor in descriptors:
        os.close(descriptor)  # inside a structure: nothing we call returns that
    return values


def _refusal(call: MethodCall, reply: Message) -> Fault:
    name = reply.error_name or f"{_DBUS}.Error.Failed"
    text = reply.body[0] if reply.signature[:1] == "s" else name
    if name in _ABSENT:
        return TransientFailure(f"D-Bus: {call}: {text}")
    return CallRefused(f"D-Bus: {call}: {text}", error_name=name)
