"""Where files lie, as an operator writes it."""

from __future__ import annotations

import pytest

from hostio.net.directoryfetch import DirectoryFetcher
from hostio.net.httpfetch import HttpFetcher
from hostio.net.locations import fetcher_for
from hostio.system.clock import SystemClock
from osmodel.faults import InvalidInput


@pytest.mark.parametrize(
    "location", ["", "mirror", "./mirror", "ftp://host/x", "http:///x", "file://host/x", "file:x"]
)
def test_a_location_it_cannot_read_is_the_operators_fault(location: str) -> None:
    with pytest.raises(InvalidInput):
        fetcher_for(location, SystemClock())


def test_urls_and_directories_have_their_fetchers() -> None:
    assert isinstance(fetcher_for("https://host/x", SystemClock()), HttpFetcher)
    for location in ("/srv/x", "file:///srv/x"):
        assert isinstance(fetcher_for(location, SystemClock()), DirectoryFetcher)


def test_a_proxy_that_is_none_is_said_at_once() -> None:
    with pytest.raises(InvalidInput, match="not the address of an http proxy"):
        fetcher_for("http://host/x", SystemClock(), proxy="socks5://joe:secret@x")
