"""Whatever a document holds, a plan is made, and it stays where it may."""

import time
from collections.abc import Mapping
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cloud_config.document.catalogue import DOCUMENT
from cloud_config.document.keys import Fields
from cloud_config.document.model import (
    Coreos,
    Document,
    DropIn,
    Filesystem,
    FileToWrite,
    NamedText,
    Ntp,
    Unit,
)
from cloud_config.document.places import TREES
from cloud_config.document.users import User
from cloud_config.planning.actions import EnableUnit, LinkFile, PutFile
from cloud_config.planning.describing import as_table, summary
from cloud_config.planning.facts import Facts
from cloud_config.planning.metadata import Metadata
from cloud_config.planning.plan import plan

TEXT = st.text(st.one_of(st.characters(), st.sampled_from('\ud800\n\r\0/.%"')), max_size=20)
LINE = st.integers(1, 99)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
NAME = st.one_of(TEXT, st.sampled_from(["a.service", "etcd2.service", "b.network", "../c.mount"]))
PATH = st.one_of(
    TEXT, st.sampled_from(["/etc/a", "/usr/b", "/home", "/etc/environment", "/var/.."])
)


def table(name: str) -> st.SearchStrategy[Mapping[str, str]]:
    coreos = DOCUMENT.named("coreos")
    assert coreos is not None
    assert isinstance(coreos.shape, Fields)
    found = coreos.shape.named(name)
    assert found is not None
    assert isinstance(found.shape, Fields)
    return st.dictionaries(st.sampled_from([key.name for key in found.shape.keys]), TEXT)


UNIT = st.builds(
    Unit,
    NAME,
    LINE,
    st.one_of(st.none(), TEXT),
    drop_ins=st.lists(st.builds(DropIn, NAME, TEXT), max_size=2).map(tuple),
)
COREOS = st.builds(
    Coreos,
    **{name: table(name) for name in ("update", "locksmith", "etcd2", "fleet", "flannel", "oem")},
    units=st.lists(UNIT, max_size=4).map(tuple),
    lines=st.just({}),
)
NAMED = st.lists(st.builds(NamedText, NAME, LINE, TEXT), max_size=2).map(tuple)
DEVICE = st.one_of(TEXT, TEXT.map("/dev/".__add__))
FORMAT = st.one_of(TEXT, st.just("ext4"))
DOCUMENTS = st.builds(
    Document,
    hostname=TEXT,
    ssh_authorized_keys=TEXTS,
    manage_etc_hosts=st.one_of(TEXT, st.just("localhost")),
    users=st.lists(st.builds(User, TEXT, line=LINE, ssh_authorized_keys=TEXTS), max_size=2).map(
        tuple
    ),
    write_files=st.lists(st.builds(FileToWrite, PATH, LINE), max_size=3).map(tuple),
    coreos=COREOS,
    timezone=TEXT,
    ntp=st.one_of(st.none(), st.builds(Ntp, TEXTS, TEXTS)),
    network=NAMED,
    quadlets=NAMED,
    filesystems=st.lists(
        st.builds(Filesystem, DEVICE, LINE, FORMAT, TEXT, PATH, TEXTS), max_size=2
    ).map(tuple),
)
FACTS = st.builds(
    Facts,
    hostname=TEXT,
    units=st.sampled_from([None, frozenset[str](), frozenset({"etcd.service"})]),
    links=st.sampled_from([{}, {"/home": "/var/home"}]),
    update_conf=TEXT,
    environment=TEXT,
    metadata=st.builds(Metadata, hostname=TEXT, public_ipv4=TEXT, public_keys=TEXTS),
)


@given(DOCUMENTS, FACTS)
def test_every_document_has_a_plan_that_stays_in_the_five_trees(
    document: Document, facts: Facts
) -> None:
    made = plan(document, facts)
    for action in made.actions:
        assert summary(action)
        assert as_table(action)["action"]
        if isinstance(action, PutFile | LinkFile):
            assert action.path.startswith(tuple(f"{tree}/" for tree in TREES))
            assert ".." not in action.path.split("/")
            assert "\0" not in action.path
        if isinstance(action, EnableUnit):
            assert not action.name.startswith("-") or "." in action.name


@given(DOCUMENTS, FACTS)
def test_no_path_is_written_twice(document: Document, facts: Facts) -> None:
    files = [a.path for a in plan(document, facts).actions if isinstance(a, PutFile)]
    generated = [path for path in files if Path(path).name.startswith(("20-cloud", "50-cloud"))]
    assert len(generated) == len(set(generated))


def test_a_document_of_many_items_is_planned_in_a_moment() -> None:
    many = 30_000
    document = Document(
        write_files=tuple(FileToWrite(f"/etc/{n}", n) for n in range(many)),
        coreos=Coreos(units=tuple(Unit(f"a{n}.service", n, command="start") for n in range(many))),
    )
    start = time.process_time()
    assert len(plan(document, Facts()).actions) == 2 * many
    assert time.process_time() - start < 5
