"""Serve a repository over plain http.

Every byte is signed, so encryption is left to a proxy in front. Served
are the two kinds of file a repository consists of, and nothing else: no
listing, no dot file, no link, nothing outside ``metadata/*.json`` and
``targets/``. Parts of files are served, so that hosts can resume.

Clients are not trusted either: how many connections one address and all of
them may hold, how long a request may take to arrive and how slowly an answer
may be taken are limited (``mirror.admission``), and memory does not grow with
what a client sends.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import stat
from pathlib import Path

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger, AbstractStreamWriter

from mirror.admission import Admission, Announce, Limits, Listen, descriptors_for, reset
from osmodel.faults import HostFailure, InvalidInput
from osmodel.repository import METADATA, TARGETS

_log = logging.getLogger(__name__)

_GRACE = 10.0  # seconds that running answers get when we are told to end
_BACKLOG = 1024
_YEAR = 31_536_000  # seconds


def serve(repository: Path, listen: Listen, announce: Announce, limits: Limits) -> None:
    """Serve until SIGTERM or SIGINT, then let running answers end.

    Args:
        repository: an existing repository.
        listen: where.
        limits: what clients may take up.
        announce: is told the URL as soon as connections are accepted.

    Raises:
        InvalidInput: not a repository.
        HostFailure: the address cannot be had.
    """
    asyncio.run(_serve_until_told(repository, listen, announce, descriptors_for(limits)))


def application(repository: Path, limits: Limits) -> web.Application:
    """The web application for one repository.

    Raises:
        InvalidInput: not a repository.
    """
    if not _is_file(repository / METADATA / "timestamp.json"):
        raise InvalidInput(f"{repository} is not a repository", hint="update-mirror init makes one")
    root = repository.resolve()

    async def answer(request: web.Request) -> web.StreamResponse:
        file = _file(root, request.path)
        if file is None:
            raise web.HTTPNotFound
        return _TimedFile(file, _headers(file), limits)

    served = web.Application()
    served.router.add_get("/{path:.*}", answer)  # HEAD comes with it
    return served


async def start(runner: web.AppRunner, listen: Listen, limits: Limits) -> asyncio.Server:
    """Listen, and hand connections that are within the limits to ``runner``.

    Raises:
        HostFailure: the address cannot be had.
    """
    assert runner.server is not None, "set up by the caller"
    server = runner.server
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(
            lambda: Admission(server, limits), listen.host, listen.port, backlog=_BACKLOG
        )
    except OSError as error:
        raise HostFailure(f"{listen.host}:{listen.port}: {error.strerror}") from error


def runner_of(served: web.Application, limits: Limits) -> web.AppRunner:
    """What answers requests; a head that does not come in time ends its connection."""
    return web.AppRunner(
        served,
        access_log_class=AccessLog,
        shutdown_timeout=_GRACE,
        keepalive_timeout=limits.head_s,
    )


async def _serve_until_told(
    repository: Path, listen: Listen, announce: Announce, limits: Limits
) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    runner = runner_of(application(repository, limits), limits)
    await runner.setup()
    try:
        listening = await start(runner, listen, limits)
        host, port = listening.sockets[0].getsockname()[:2]
        announce(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        await told.wait()
        listening.close()
    finally:
        await runner.cleanup()


class _TimedFile(web.FileResponse):
    """A file that must be taken at a least rate, or its connection ends."""

    def __init__(self, file: Path, headers: dict[str, str], limits: Limits) -> None:
        super().__init__(file, headers=headers)
        self._seconds = limits.seconds_to_take(file.stat().st_size)

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        try:
            async with asyncio.timeout(self._seconds):
                return await super().prepare(request)
        except TimeoutError:
            _log.warning("slow peer=%s path=%s", request.remote, request.raw_path)
            if request.transport is not None:
                reset(request.transport)
            raise ConnectionResetError from None


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False  # missing, a loop of links, a name no file system takes


def _file(root: Path, path: str) -> Path | None:
    """The regular file a request may have, or nothing."""
    names = path.removeprefix("/").split("/")
    is_metadata = names[0] == METADATA and len(names) == 2 and path.endswith(".json")  # noqa: PLR2004 - directory and name
    if not is_metadata and names[0] != TARGETS:
        return None
    file = root
    for name in names:
        if name.startswith(".") or not name or "\0" in name:
            return None
        file = file / name
        try:
            if file.is_symlink():
                return None
        except OSError:
            return None  # a name no file system takes
    return file if _is_file(file) else None


def _headers(file: Path) -> dict[str, str]:
    if file.suffix != ".json":
        # The digest in its name never changes its meaning.
        kind, keep = "application/octet-stream", f"public, max-age={_YEAR}, immutable"
    elif file.name == "timestamp.json":
        kind, keep = "application/json", "no-cache"
    else:
        # Not immutable: a publication that was killed is written over.
        kind, keep = "application/json", "public, max-age=60"
    return {"Content-Type": kind, "Cache-Control": keep, "X-Content-Type-Options": "nosniff"}


class AccessLog(AbstractAccessLogger):
    """One line for each answer."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write it; the path stays as it was coded, so that it is one line."""
        _log.info(
            "peer=%s method=%s path=%s range=%s status=%d bytes=%d seconds=%.3f",
            request.remote,
            request.method,
            request.raw_path,
            request.headers.get("Range", "-").encode("ascii", "replace").decode(),
            response.status,
            response.body_length,
            time,
        )
