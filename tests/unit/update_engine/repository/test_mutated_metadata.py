"""Whatever a mirror sends ends in one of the four kinds of fault, or is believed.

Each file of the metadata is changed in its structure, once as an attacker on the
line can do it (signatures no longer fit), once as an attacker who holds every
key can (signed anew). Afterwards the host is as usable as before: its memory
says whom to trust, and an honest mirror is believed again unless it was a key
holder who lied.
"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from securesystemslib.formats import encode_canonical  # type: ignore[import-untyped]  # no stubs

from hostio.net.locations import fetcher_for
from osmodel.faults import Fault, TransientFailure, UntrustedData
from tests.fakes.fetcher import Meddler, saying
from tests.fakes.mutations import mutated
from tests.fakes.repository import MadeRepository, made_repository, versions

FILES = ["2.root.json", "timestamp.json", "3.snapshot.json", "3.targets.json"]
MANY = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeRepository:
    """Two roots and a second release, which the host has not seen."""
    repository = made_repository(tmp_path_factory.mktemp("made"), signers=(1, 2))
    repository.publish("1.0.0")
    repository.client().refresh()
    repository.rotate_root(lambda _: None)
    repository.publish("1.0.1", deltas={"12" * 32: b"delta"})
    return repository


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """What the host remembers; anew for each example."""
    return tmp_path / "memory"


def anew(made: MadeRepository, memory: Path) -> Path:
    shutil.rmtree(memory, ignore_errors=True)
    return Path(shutil.copytree(made.cache, memory))


def asks(made: MadeRepository, memory: Path, name: str, content: bytes) -> Fault | None:
    """One refresh while the mirror sends this for that file."""
    meddler = Meddler(fetcher_for(str(made.directory), made.clock), {f"/{name}": saying(content)})
    try:
        made.client(memory, fetcher=meddler).refresh()
    except Fault as fault:
        return fault
    return None


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
@MANY
def test_an_attacker_on_the_line_gets_a_fault_and_leaves_nothing_behind(
    made: MadeRepository, memory: Path, name: str, data: st.DataObject
) -> None:
    anew(made, memory)
    whole = json.loads(made.metadata(name).read_bytes())
    sent = data.draw(mutated(whole))
    fault = asks(made, memory, name, encoded(sent))
    assert fault is None or isinstance(fault, UntrustedData | TransientFailure)
    assert "\n" not in str(fault)
    assert made.client(memory).trust().threshold == 1
    assert versions(made.client(memory).refresh()) == ["1.0.0", "1.0.1"]


@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
@MANY
def test_an_attacker_with_every_key_gets_no_more_than_a_fault(
    made: MadeRepository, memory: Path, name: str, data: st.DataObject
) -> None:
    anew(made, memory)
    role = name.removesuffix(".json").rpartition(".")[2]
    whole = json.loads(made.metadata(name).read_bytes())
    sent = signed(made, role, data.draw(mutated(whole["signed"])))
    # What lists this file must fit, or the change is never looked at.
    fault = asks_consistently(made, memory, name, sent)
    assert fault is None or isinstance(fault, UntrustedData | TransientFailure)
    made.client(memory).trust()


def signed(made: MadeRepository, role: str, content: Any) -> bytes:
    """``content`` with signatures of every key of ``role``."""
    try:
        canonical = encode_canonical(content).encode("utf-8", "surrogatepass")
    except Exception:  # noqa: BLE001 - what has no canonical form cannot be signed
        canonical = b""
    signatures = [key.signer.sign(canonical).to_dict() for key in made.keys(role)]
    return encoded({"signatures": signatures, "signed": content})


def asks_consistently(
    made: MadeRepository, memory: Path, name: str, content: bytes
) -> Fault | None:
    """One refresh with this file, and the files that list it made to fit."""
    replies = {f"/{name}": saying(content)}
    lister = {"3.targets.json": "3.snapshot.json", "3.snapshot.json": "timestamp.json"}
    while name in lister:
        above = lister[name]
        document = json.loads(made.metadata(above).read_bytes())["signed"]
        entry = document["meta"][name.removeprefix("3.")]
        entry.pop("hashes", None)
        entry.pop("length", None)
        role = above.removesuffix(".json").rpartition(".")[2]
        replies[f"/{above}"] = saying(signed(made, role, document))
        name = above
    meddler = Meddler(fetcher_for(str(made.directory), made.clock), replies)
    try:
        made.client(memory, fetcher=meddler).refresh()
    except Fault as fault:
        return fault
    return None


@pytest.mark.parametrize("name", ["2.root.json", "timestamp.json", "snapshot.json", "targets.json"])
@given(data=st.data())
@MANY
def test_a_memory_changed_by_hand_is_passed_over(
    made: MadeRepository, memory: Path, name: str, data: st.DataObject
) -> None:
    kept = anew(made, memory) / name
    source = kept if kept.exists() else made.metadata(name)
    kept.write_bytes(encoded(data.draw(mutated(json.loads(source.read_bytes())))))
    made.client(memory).trust()
    assert versions(made.client(memory).refresh()) == ["1.0.0", "1.0.1"]


@given(data=st.data())
@MANY
def test_a_damaged_root_in_the_image_is_said(
    made: MadeRepository, memory: Path, data: st.DataObject
) -> None:
    root = encoded(data.draw(mutated(json.loads(made.root_json))))
    anew(made, memory)
    host = made.client(memory, root_json=root)
    for ask in (host.refresh, host.trust):
        with suppress(UntrustedData, TransientFailure):
            ask()


@given(content=st.binary(max_size=200))
@MANY
def test_bytes_of_any_kind_end_in_a_fault(
    made: MadeRepository, memory: Path, content: bytes
) -> None:
    anew(made, memory)
    assert isinstance(asks(made, memory, "timestamp.json", content), UntrustedData)
