"""Serve a repository over plain http.

Every byte is signed, so encryption is left to a proxy in front. Served
are the two kinds of file a repository consists of, and nothing else: no
listing, no dot file, no link, nothing outside ``metadata/*.json`` and
``targets/``. Parts of files are served, so that hosts can resume.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from osmodel.faults import HostFailure, InvalidInput

_log = logging.getLogger(__name__)

_GRACE = 10.0  # seconds that running answers get when we are told to end
_HIGHEST_PORT = 65535
_YEAR = 31_536_000  # seconds

Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen; port 0 lets the system choose one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Listen:
        """Read ``HOST:PORT``, with brackets around an IPv6 address.

        Raises:
            InvalidInput: no port, or one that does not exist.
        """
        host, colon, port = text.rpartition(":")
        known = port.isascii() and port.isdecimal() and int(port) <= _HIGHEST_PORT
        if not colon or not host or not known:
            raise InvalidInput(f"cannot listen on {text!r}", hint="write 127.0.0.1:8080")
        return cls(host.removeprefix("[").removesuffix("]"), int(port))


def serve(repository: Path, listen: Listen, announce: Announce) -> None:
    """Serve until SIGTERM or SIGINT, then let running answers end.

    Args:
        repository: an existing repository.
        listen: where.
        announce: is told the URL as soon as connections are accepted.

    Raises:
        InvalidInput: not a repository.
        HostFailure: the address cannot be had.
    """
    asyncio.run(_serve_until_told(repository, listen, announce))


def application(repository: Path) -> web.Application:
    """The web application for one repository.

    Raises:
        InvalidInput: not a repository.
    """
    if not (repository / "metadata" / "timestamp.json").is_file():
        raise InvalidInput(f"{repository} is not a repository", hint="update-mirror init makes one")
    root = repository.resolve()

    async def answer(request: web.Request) -> web.StreamResponse:
        file = _file(root, request.path)
        if file is None:
            raise web.HTTPNotFound
        return web.FileResponse(file, headers=_headers(file))

    served = web.Application()
    served.router.add_get("/{path:.*}", answer)  # HEAD comes with it
    return served


async def _serve_until_told(repository: Path, listen: Listen, announce: Announce) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    runner = web.AppRunner(
        application(repository), access_log_class=AccessLog, shutdown_timeout=_GRACE
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, listen.host, listen.port)
        try:
            await site.start()
        except OSError as error:
            raise HostFailure(f"{listen.host}:{listen.port}: {error.strerror}") from error
        host, port = runner.addresses[0][:2]
        announce(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        await told.wait()
    finally:
        await runner.cleanup()


def _file(root: Path, path: str) -> Path | None:
    """The regular file a request may have, or nothing."""
    names = path.removeprefix("/").split("/")
    is_metadata = names[0] == "metadata" and len(names) == 2 and path.endswith(".json")  # noqa: PLR2004 - directory and name
    if not is_metadata and names[0] != "targets":
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
    return file if file.is_file() else None


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
