"""Clients that are not ours against ``update-mirror serve`` as a process."""

from __future__ import annotations

import json
import shutil
import subprocess  # noqa: TID251 - curl is run as an operator runs it
from collections.abc import Iterator
from pathlib import Path

import pytest
from tuf.api.exceptions import DownloadHTTPError, RepositoryError
from tuf.ngclient import Updater

from hostio.system.clock import SystemClock
from mirror.cli import run
from mirror.server import serve
from mirror.world import MirrorWorld
from osmodel.repository import target_path
from tests.fakes.repository import built, copied, release
from tests.mirrorprocess import MirrorProcess, serving

pytestmark = pytest.mark.interop

PAYLOAD = bytes(range(256)) * 4096


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A repository with one release, by the command line and today's date."""
    world = MirrorWorld(SystemClock(), copied, serve)
    repository = tmp_path / "mirror"
    assert run(["init", str(repository), "--threshold", "2", "--keys", "3"], world) == 0
    directory = built(tmp_path / "built", release("1.0.1"), PAYLOAD)
    keys = [f"file:{tmp_path}/mirror.keys/targets-{n}.pem" for n in (1, 3)]
    arguments = ["publish", str(repository), str(directory), "--key", keys[0], "--key", keys[1]]
    assert run(arguments, world) == 0
    return repository


@pytest.fixture
def server(mirror: Path, tmp_path: Path) -> Iterator[MirrorProcess]:
    with serving(mirror, tmp_path / "server.log") as server:
        yield server


def updater(mirror: Path, url: str, directory: Path) -> Updater:
    """python-tuf's own client with its own fetcher."""
    (directory / "targets").mkdir(parents=True)
    shutil.copy(mirror / "metadata" / "1.root.json", directory / "root.json")
    return Updater(
        str(directory), f"{url}/metadata/", str(directory / "targets"), f"{url}/targets/"
    )


def test_a_plain_tuf_client_finds_and_downloads_a_release(
    mirror: Path, server: MirrorProcess, tmp_path: Path
) -> None:
    client = updater(mirror, server.url, tmp_path / "client")
    target = client.get_targetinfo(target_path(release("1.0.1")))
    assert target is not None
    assert target.custom is not None
    assert target.custom["twinkeel"]["root_hash"] == "ab" * 32
    assert Path(client.download_target(target)).read_bytes() == PAYLOAD


def test_a_plain_tuf_client_refuses_what_we_refuse(
    mirror: Path, server: MirrorProcess, tmp_path: Path
) -> None:
    targets = mirror / "metadata" / "2.targets.json"
    document = json.loads(targets.read_bytes())
    document["signatures"].pop()
    targets.write_text(json.dumps(document))
    with pytest.raises(RepositoryError):
        updater(mirror, server.url, tmp_path / "client").refresh()


def test_a_plain_tuf_client_sees_what_is_missing(
    mirror: Path, server: MirrorProcess, tmp_path: Path
) -> None:
    (mirror / "metadata" / "timestamp.json").unlink()
    with pytest.raises(DownloadHTTPError):
        updater(mirror, server.url, tmp_path / "client").refresh()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_resumes_a_download(mirror: Path, server: MirrorProcess, tmp_path: Path) -> None:
    (file,) = mirror.rglob("*.payload")
    half = tmp_path / "half"
    half.write_bytes(PAYLOAD[:1000])
    address = f"{server.url}/{file.relative_to(mirror)}"
    subprocess.run(
        ["curl", "--fail", "--silent", "--noproxy", "*", "-C", "-", "-o", half, address], check=True
    )
    assert half.read_bytes() == PAYLOAD


def test_the_server_ends_when_told_and_logged_what_it_served(
    server: MirrorProcess, mirror: Path, tmp_path: Path
) -> None:
    updater(mirror, server.url, tmp_path / "client").refresh()
    server.process.terminate()
    assert server.process.wait(60) == 0
    printed = server.log.read_text()
    assert "method=GET path=/metadata/timestamp.json range=- status=200" in printed
    assert "Traceback" not in printed
