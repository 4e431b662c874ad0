"""The web server of a mirror."""

from __future__ import annotations

import http.client
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hostio.net.locations import fetcher_for
from mirror.admission import Limits
from mirror.server import application
from osmodel.faults import InvalidInput
from tests.fakes.repository import MadeRepository, made_repository, versions
from tests.fakes.servedrepository import served_repository

PAYLOAD = bytes(range(256)) * 1000


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    repository = made_repository(tmp_path)
    repository.publish("1.0.0", PAYLOAD)
    return repository


@pytest.fixture
def url(made: MadeRepository) -> Iterator[str]:
    with served_repository(made.directory) as address:
        yield address


Reply = tuple[int, dict[str, str], bytes]


def asked(url: str, path: str, method: str = "GET", **headers: str) -> Reply:
    """One request, the path sent exactly as written."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        coded = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in coded.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()


def payload_path(made: MadeRepository) -> str:
    (file,) = made.directory.rglob("*.payload")
    return f"/{file.relative_to(made.directory)}"


def test_a_host_updates_from_it(made: MadeRepository, url: str) -> None:
    host = made.client(url=url, fetcher=fetcher_for(url, made.clock))
    (offer,) = host.refresh()
    assert versions([offer]) == ["1.0.0"]
    with host.open(offer.payloads[0]) as stream:
        assert b"".join(iter(lambda: stream.read(50_000), b"")) == PAYLOAD


def test_parts_are_served(made: MadeRepository, url: str) -> None:
    path = payload_path(made)
    size = len(PAYLOAD)
    for asked_for, part in {
        "bytes=1000-": PAYLOAD[1000:],
        "bytes=1000-1099": PAYLOAD[1000:1100],
        "bytes=-10": PAYLOAD[-10:],
    }.items():
        status, headers, body = asked(url, path, Range=asked_for)
        assert (status, body) == (206, part)
        assert headers["content-range"].endswith(f"/{size}")
    status, headers, _ = asked(url, path, Range=f"bytes={size}-")
    assert status == 416
    assert headers["content-range"] == f"bytes */{size}"


def test_head_tells_size_and_type(made: MadeRepository, url: str) -> None:
    status, headers, body = asked(url, payload_path(made), method="HEAD")
    assert (status, body) == (200, b"")
    assert headers["content-length"] == str(len(PAYLOAD))
    assert headers["content-type"] == "application/octet-stream"
    assert headers["accept-ranges"] == "bytes"
    _, headers, _ = asked(url, "/metadata/timestamp.json", method="HEAD")
    assert headers["content-type"] == "application/json"


def test_what_did_not_change_is_not_sent_again(url: str) -> None:
    _, headers, _ = asked(url, "/metadata/1.root.json")
    status, _, body = asked(url, "/metadata/1.root.json", If_None_Match=headers["etag"])
    assert (status, body) == (304, b"")


def test_only_the_timestamp_must_be_asked_for_each_time(made: MadeRepository, url: str) -> None:
    kept = {
        path: asked(url, path, method="HEAD")[1]["cache-control"]
        for path in ("/metadata/timestamp.json", payload_path(made))
    }
    assert kept["/metadata/timestamp.json"] == "no-cache"
    assert "immutable" in kept[payload_path(made)]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/metadata",
        "/metadata/",
        "/targets/",
        "/targets/minimal",
        "/../mirror.keys/online.pem",
        "/metadata/../../mirror.keys/online.pem",
        "/targets/../../mirror.keys/online.pem",
        "/targets/%2e%2e/%2e%2e/mirror.keys/online.pem",
        "/targets/%2e%2e%2f%2e%2e%2fmirror.keys/online.pem",
        "/targets//etc/passwd",
        "/metadata/%00.json",
        "/metadata/" + "a" * 4000 + ".json",
        "/metadata/link.json",
        "/targets/up/mirror.keys/online.pem",
        "/targets/pipe",
        "/targets/.signing",
        "/notes.txt",
        "/metadata/notes.txt",
    ],
)
def test_nothing_else_is_served(made: MadeRepository, url: str, path: str) -> None:
    (made.directory / "metadata" / "link.json").symlink_to("../../mirror.keys/online.pem")
    (made.directory / "targets" / "up").symlink_to("../..")
    os.mkfifo(made.directory / "targets" / "pipe")
    for name in ("targets/.signing", "notes.txt", "metadata/notes.txt"):
        (made.directory / name).write_text("PRIVATE")
    status, _, body = asked(url, path)
    assert status in {400, 404}
    assert b"PRIVATE" not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_changed(url: str, method: str) -> None:
    status, _, _ = asked(url, "/metadata/timestamp.json", method=method, Content_Length="0")
    assert status == 405


def test_each_answer_is_logged_on_one_line(
    made: MadeRepository, caplog: pytest.LogCaptureFixture
) -> None:
    # The line is written after the answer; it is there once the server has ended.
    with caplog.at_level(logging.INFO), served_repository(made.directory) as address:
        asked(address, "/metadata/a%0Ab.json", Range="bytes=0-")
    (line,) = [record.getMessage() for record in caplog.records if "path=" in record.getMessage()]
    assert "\n" not in line
    assert "peer=127.0.0.1 method=GET path=/metadata/a%0Ab.json range=bytes=0- status=404" in line


def test_a_directory_that_is_no_repository_is_not_served(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not a repository"):
        application(tmp_path, Limits())
