"""Serve one object on a D-Bus bus; the only place with asyncio.

Messages are answered one at a time by plain functions, and a plain function is
called each second, so nothing above this module knows about event loops.
Introspection and properties are not served: the contract has neither.

Source: D-Bus Specification 0.43.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dbus_fast import BusType, DBusError, ErrorType, Message, MessageType, NameFlag
from dbus_fast import RequestNameReply as Reply
from dbus_fast.aio import MessageBus

from osmodel.faults import Fault, HostFailure

_TICK = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Method:
    """A method without arguments.

    Attributes:
        signature: of what it returns.
        call: returns the values; a fault becomes an error reply.
    """

    signature: str
    call: Callable[[], Sequence[object]]


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal to be sent."""

    member: str
    signature: str
    body: Sequence[object]


@dataclass(frozen=True, slots=True)
class BusObject:
    """What is served.

    Attributes:
        name: well-known bus name.
        path: object path.
        interface: of all its methods and signals.
        methods: by member.
        tick: called each second; returns signals to send, or ``None`` to end.
    """

    name: str
    path: str
    interface: str
    methods: Mapping[str, Method]
    tick: Callable[[], Sequence[Signal] | None]


def serve(served: BusObject, address: str | None = None) -> None:
    """Serve until ``tick`` ends it.

    Args:
        served: the object.
        address: of the bus; the system bus by default.

    Raises:
        HostFailure: no bus, or the name is taken.
    """
    asyncio.run(_serve(served, address))


async def _serve(served: BusObject, address: str | None) -> None:
    try:
        bus = await MessageBus(bus_address=address, bus_type=BusType.SYSTEM).connect()
    except (OSError, DBusError, EOFError, ValueError) as error:
        raise HostFailure(f"D-Bus: cannot connect: {error}") from error
    try:
        bus.add_message_handler(lambda message: _answer(served, message))
        if await bus.request_name(served.name, NameFlag.DO_NOT_QUEUE) != Reply.PRIMARY_OWNER:
            raise HostFailure(f"D-Bus: the name {served.name} is taken")
        while (signals := served.tick()) is not None:
            for signal in signals:
                await bus.send(_signal(served, signal))
            await asyncio.sleep(_TICK)
            if not bus.connected:
                raise HostFailure("D-Bus: the bus went away")
        # Calls that arrived before the name was given back are still answered;
        # later ones make the bus start us again.
        await bus.release_name(served.name)
    except DBusError as error:
        raise HostFailure(f"D-Bus: {error}") from error
    finally:
        bus.disconnect()


def _answer(served: BusObject, message: Message) -> Message | None:
    """The reply to a method call; ``None`` for what is not ours."""
    if message.message_type is not MessageType.METHOD_CALL or message.path != served.path:
        return None
    if message.interface not in (None, served.interface):
        return Message.new_error(message, ErrorType.UNKNOWN_INTERFACE, "no such interface")
    method = served.methods.get(message.member or "")
    if method is None:
        return Message.new_error(message, ErrorType.UNKNOWN_METHOD, "no such method")
    if message.signature:
        return Message.new_error(message, ErrorType.INVALID_SIGNATURE, "takes no arguments")
    try:
        body = list(method.call())
    except Fault as fault:
        name = fault.kind.title().replace("-", "")
        text = f"{fault} ({fault.hint})" if fault.hint else str(fault)
        return Message.new_error(message, f"{served.interface}.Error.{name}", text)
    return Message.new_method_return(message, method.signature, body)


def _signal(served: BusObject, signal: Signal) -> Message:
    return Message.new_signal(
        served.path, served.interface, signal.member, signal.signature, list(signal.body)
    )
