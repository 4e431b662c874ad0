"""Where files lie, as an operator writes it: URL or directory."""

from __future__ import annotations

from contextlib import suppress

from hostio.net.directoryfetch import DirectoryFetcher
from hostio.net.fetch import Fetcher, shown
from hostio.net.httpaddress import parse_address
from hostio.net.httpfetch import HttpFetcher
from hostio.net.proxies import NONE, parse_proxy
from hostio.system.clock import Clock
from osmodel.faults import InvalidInput


def fetcher_for(location: str, clock: Clock, *, proxy: str = "") -> Fetcher:
    """The fetcher that reads what lies below ``location``.

    Args:
        location: ``http(s)://...``, ``file:///...`` or an absolute path.
        clock: measures how slow a server is.
        proxy: for http(s): ``http://HOST:PORT``, ``none``, or empty for what
            the environment says.

    Raises:
        InvalidInput: another scheme, a relative path, or no proxy.
    """
    if proxy not in {"", NONE}:
        parse_proxy(proxy)
    if location.startswith("/"):
        return DirectoryFetcher(location)
    if location.startswith("file:"):
        return DirectoryFetcher(location)
    with suppress(ValueError):
        parse_address(location)
        return HttpFetcher(clock, proxy=proxy)
    raise InvalidInput(
        f"neither a URL nor a directory: {shown(location)!r}",
        hint="write https://host/path, file:///path or an absolute directory",
    )
