"""Payload bytes from a mirror that cannot be trusted."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from tuf.api.metadata import Targets

from hostio.net.fetch import ByteStream
from hostio.net.locations import fetcher_for
from osmodel.faults import UntrustedData
from osmodel.repository import OfferedPayload
from tests.fakes.fetcher import EndlessStream, Meddler, RamStream
from tests.fakes.repository import MadeRepository, made_repository
from update_engine.repository.client import Repository


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    """A repository with one release, known to a host."""
    repository = made_repository(tmp_path)
    repository.publish("1.0.0", b"first payload")
    repository.client().refresh()
    return repository


def offered(host: Repository) -> OfferedPayload:
    (offer,) = host.refresh()
    (payload,) = offer.payloads
    return payload


def stored(made: MadeRepository, offer: OfferedPayload) -> Path:
    return made.directory / "targets" / offer.stored_path


def test_a_changed_payload_never_gives_its_last_bytes(made: MadeRepository) -> None:
    host = made.client()
    offer = offered(host)
    stored(made, offer).write_bytes(b"First payload")
    with host.open(offer) as stream:
        assert stream.read(5) == b"First"
        for _ in range(2):
            with pytest.raises(UntrustedData, match="was promised"):
                stream.read(1000)


@pytest.mark.parametrize("content", [b"", b"first payloa", b"first payload!"])
def test_a_payload_of_another_size_is_refused_before_its_first_byte(
    made: MadeRepository, content: bytes
) -> None:
    host = made.client()
    offer = offered(host)
    stored(made, offer).write_bytes(content)
    with pytest.raises(UntrustedData, match="13 were promised"):
        host.open(offer)


def test_an_endless_payload_is_cut_at_the_promised_size(made: MadeRepository) -> None:
    stream = EndlessStream()
    meddler = Meddler(
        fetcher_for(str(made.directory), made.clock), {"full.payload": lambda _: stream}
    )
    host = made.client(fetcher=meddler)
    payload = host.open(offered(host))
    with pytest.raises(UntrustedData):
        payload.read(1 << 30)
    assert stream.taken == len(b"first payload")


def test_a_broken_line_is_read_on_and_the_whole_is_checked(made: MadeRepository) -> None:
    content = b"first payload"

    def breaking(offset: int) -> ByteStream:
        return RamStream(content, offset, breaks_at=min(offset + 5, 99))

    meddler = Meddler(fetcher_for(str(made.directory), made.clock), {"full.payload": breaking})
    host = made.client(fetcher=meddler)
    stream = host.open(offered(host))
    assert b"".join(iter(lambda: stream.read(4), b"")) == content
    assert [offset for url, offset in meddler.asked if "payload" in url] == [0, 5, 10]


def test_the_payload_of_another_version_is_refused(made: MadeRepository) -> None:
    host = made.client()
    offer = offered(host)
    made.publish("1.0.1", b"other payload")
    newer = next(payload for one in host.refresh() for payload in one.payloads if payload != offer)
    shutil.copy(stored(made, newer), stored(made, offer))
    with host.open(offer) as stream, pytest.raises(UntrustedData, match="sha256"):
        stream.read(1000)


def test_a_payload_with_only_a_sha512_is_found_and_checked(made: MadeRepository) -> None:
    def only_sha512(targets: Targets) -> None:
        (target,) = targets.targets.values()
        content = b"first payload"
        target.hashes = {"sha512": hashlib.sha512(content).hexdigest()}
        stored = made.directory / "targets" / Path(target.path).parent
        (stored / f"{target.hashes['sha512']}.full.payload").write_bytes(content)

    made.edit_targets(only_sha512)
    host = made.client()
    payload = offered(host)
    with host.open(payload) as stream:
        assert stream.read(100) == b"first payload"
    stored(made, payload).write_bytes(b"First payload")
    with host.open(payload) as stream, pytest.raises(UntrustedData, match="sha512"):
        stream.read(100)
