"""Login pages in the place of metadata and payloads."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hostio.net.locations import fetcher_for
from osmodel.faults import TransientFailure, UntrustedData
from tests.fakes.fetcher import Meddler, saying
from tests.fakes.repository import MadeRepository, made_repository, versions
from update_engine.repository.webpage import is_web_page

PAGES = [
    b"<html><head><title>Guest Wi-Fi</title></head><body>Please accept.</body></html>",
    b"<!DOCTYPE html>\n<html lang=en>",
    b"\n\t <!doctype HTML PUBLIC>",
    b"\xef\xbb\xbf<HTML>",
    b"<!-- saved --> <!-- twice --><html>",
    b"<?xml version='1.0'?><!DOCTYPE html>",
    b"<body onload=x>",
]


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    repository = made_repository(tmp_path)
    repository.publish("1.0.0", b"payload")
    return repository


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_known_by_their_beginning(page: bytes) -> None:
    assert is_web_page(page)


@pytest.mark.parametrize("other", [b"", b"{", b"<", b"<htmlx>", b"CrAU", b"<svg>", b"text <html>"])
def test_other_things_are_no_pages(other: bytes) -> None:
    assert not is_web_page(other)


@pytest.mark.parametrize("piece", [b"<!---->", b"<!-- ", b"<?xml>", b" ", b"<?xml", b"\n<!--x-->"])
def test_no_page_takes_long_to_tell(piece: bytes) -> None:
    started = time.process_time()
    assert not is_web_page(piece * 1000)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("name", ["timestamp.json", "2.root.json"])
def test_a_login_page_in_the_place_of_metadata_is_called_one(
    made: MadeRepository, name: str
) -> None:
    meddler = Meddler(fetcher_for(str(made.directory), made.clock), {name: saying(PAGES[0])})
    with pytest.raises(TransientFailure) as caught:
        made.client(fetcher=meddler).refresh()
    assert str(caught.value) == (
        f"{made.directory}/metadata/{name} answered with a web page,"
        " not with update metadata (a captive portal?)"
    )
    assert versions(made.client().refresh()) == ["1.0.0"]


def test_a_login_page_in_the_place_of_a_payload_is_called_one(made: MadeRepository) -> None:
    mirror = fetcher_for(str(made.directory), made.clock)
    host = made.client(fetcher=Meddler(mirror, {"full.payload": saying(PAGES[0])}))
    ((payload,),) = [offer.payloads for offer in host.refresh()]
    with pytest.raises(TransientFailure, match=r"full\.payload answered with a web page"):
        host.open(payload)


def test_what_is_neither_page_nor_metadata_is_named_with_its_address(made: MadeRepository) -> None:
    meddler = Meddler(
        fetcher_for(str(made.directory), made.clock), {"timestamp.json": saying(b"x")}
    )
    with pytest.raises(
        UntrustedData, match=r"mirror/metadata/timestamp\.json: not update metadata"
    ):
        made.client(fetcher=meddler).refresh()


def test_a_refusal_names_the_repository(made: MadeRepository) -> None:
    made.clock.advance(8 * 86_400)
    with pytest.raises(UntrustedData, match=rf"^{made.directory}: timestamp\.json is expired"):
        made.client().refresh()
