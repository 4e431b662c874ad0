"""The mirror's own web server, in a thread, on a free port of the loopback."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from mirror.admission import Limits, Listen
from mirror.server import application, runner_of, start

USUAL = Limits()


@contextmanager
def served_repository(directory: Path, limits: Limits = USUAL) -> Iterator[str]:
    """Serve ``directory``; yields the URL."""
    loop = asyncio.new_event_loop()
    runner = runner_of(application(directory, limits), limits)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        listening = asyncio.run_coroutine_threadsafe(_started(runner, limits), loop).result(10)
        port = listening.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(listening.close)
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _started(runner: web.AppRunner, limits: Limits) -> asyncio.Server:
    await runner.setup()
    return await start(runner, Listen("127.0.0.1", 0), limits)
