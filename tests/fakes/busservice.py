"""A service on a real bus with any methods a test wants, on a thread of its own."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus

Body = Sequence[object]


@dataclass(frozen=True)
class Answer:
    """What a method returns: a signature and a body, or an error by name.

    Attributes:
        descriptors: sent with it.
        also: called after the answer was sent.
    """

    signature: str = ""
    body: Callable[[Message], Body] = lambda _: ()
    error: str = ""
    descriptors: Sequence[int] = ()
    also: Callable[["BusService", Message], None] = lambda _service, _call: None


class BusService:
    """Owns a name and answers, until the block ends.

    Args:
        address: of the bus.
        name: to own; empty for none.
        answers: by member; a call of another member is never answered.
    """

    def __init__(self, address: str, name: str, answers: Mapping[str, Answer] = {}) -> None:
        self._address = address
        self._name = name
        self._answers = answers
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self.calls: list[Message] = []

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    def emit(self, signal: Message, *, to: str | None = None) -> None:
        """Broadcast a signal, or send it to one connection alone."""
        self.send(
            Message(
                destination=to,
                path=signal.path,
                interface=signal.interface,
                member=signal.member,
                message_type=MessageType.SIGNAL,
                signature=signal.signature,
                body=signal.body,
            )
        )

    def send(self, message: Message) -> None:
        """Send anything."""
        asyncio.run_coroutine_threadsafe(self._send(message), self._loop).result(30)

    async def _send(self, message: Message) -> None:
        await self._bus.send(message)

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._live())

    async def _live(self) -> None:
        self._ended = asyncio.Event()
        bus = MessageBus(self._address, BusType.SYSTEM, negotiate_unix_fd=True)
        self._bus = await bus.connect()
        if self._name:
            await self._bus.request_name(self._name)
        self._bus.add_message_handler(self._answer)
        self._ready.set()
        await self._ended.wait()
        self._bus.disconnect()

    def _answer(self, call: Message) -> Message | bool:
        if call.message_type is not MessageType.METHOD_CALL:
            return False
        self.calls.append(call)
        answer = self._answers.get(call.member or "")
        if answer is None:
            return True  # never
        self._loop.call_soon(answer.also, self, call)
        if answer.error:
            return Message.new_error(call, answer.error, f"no: {answer.error}")
        body = list(answer.body(call))
        return Message.new_method_return(
            call, answer.signature, body, unix_fds=list(answer.descriptors)
        )
