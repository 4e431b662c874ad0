"""Where files lie, as an operator writes it: URL or directory."""

from __future__ import annotations

from urllib.parse import urlsplit

from hostio.net.directoryfetch import DirectoryFetcher
from hostio.net.fetch import Fetcher, shown
from hostio.net.httpfetch import HttpFetcher
from hostio.system.clock import Clock
from osmodel.faults import InvalidInput


def fetcher_for(location: str, clock: Clock) -> Fetcher:
    """The fetcher that reads what lies below ``location``.

    Args:
        location: ``http(s)://...``, ``file:///...`` or an absolute path.
        clock: measures how slow a server is.

    Raises:
        InvalidInput: another scheme, or a relative path.
    """
    if location.startswith("/"):
        return DirectoryFetcher(location)
    parts = urlsplit(location)
    if parts.scheme == "file":
        return DirectoryFetcher(location)
    if parts.scheme in {"http", "https"} and parts.hostname:
        return HttpFetcher(clock)
    raise InvalidInput(
        f"neither a URL nor a directory: {shown(location)!r}",
        hint="write https://host/path, file:///path or an absolute directory",
    )
