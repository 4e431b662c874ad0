"""Opening the repository that is configured."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostio.system.clock import SystemClock
from osmodel.faults import InvalidInput
from tests.fakes.clock import StoppedClock
from tests.fakes.proxyserver import proxy_server
from tests.fakes.repository import MadeRepository, made_repository, versions
from tests.fakes.servedrepository import served_repository
from update_engine.repository.configured import open_repository


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    repository = made_repository(tmp_path, clock=StoppedClock(SystemClock().now()))
    repository.publish("1.0.0", b"payload")
    return repository


@pytest.fixture
def root(made: MadeRepository, tmp_path: Path) -> Path:
    path = tmp_path / "root.json"
    path.write_bytes(made.root_json)
    return path


def test_a_machine_updates_through_the_proxy_that_is_set(
    made: MadeRepository, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")  # of the environment, which a setting overrules
    with served_repository(made.directory) as url, proxy_server() as proxy:
        host = open_repository(url, root, tmp_path / "tuf", SystemClock(), proxy=proxy.url)
        (offer,) = host.refresh()
        assert versions([offer]) == ["1.0.0"]
        with host.open(offer.payloads[0]) as stream:
            assert stream.read(100) == b"payload"
        assert f"GET {url}/metadata/timestamp.json HTTP/1.1" in proxy.asked
        assert any(line.endswith(".full.payload HTTP/1.1") for line in proxy.asked)


def test_no_proxy_is_used_when_none_is_wanted(
    made: MadeRepository, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with served_repository(made.directory) as url:
        host = open_repository(url, root, tmp_path / "tuf", SystemClock(), proxy="none")
        assert versions(host.refresh()) == ["1.0.0"]


def test_an_image_without_a_root_of_trust_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="this image has no root of trust"):
        open_repository("http://x/", tmp_path / "root.json", tmp_path, SystemClock())


def test_a_setting_that_is_no_proxy_is_said(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="http proxy"):
        open_repository("http://x/", root, tmp_path, SystemClock(), proxy="https://x")
