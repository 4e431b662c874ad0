"""The JSON Schema says what the reader says."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cloud_config.document.catalogue import DOCUMENT
from cloud_config.document.findings import Level
from cloud_config.document.jsonschema import schema
from cloud_config.document.keys import Fields, Items, Kind, Leaf, Shape
from cloud_config.document.reading import read

VALIDATOR = Draft202012Validator(schema())
# Pieces of values that are right for some key and wrong for most.
WORDS = [
    "", "a", "core", "off", "reboot", "start", "lol", "0644", "rwx", "base64", "gz+b64", "on",
    "localhost", "Thu 04:00", "25:00", "1h30m", "a.service", "10-x.network", "web.container",
    "/dev/vdb", "/etc/x", "ext4", "data", "Europe/Berlin", "a b", "a:b", "../x", "192.0.2.1",
]  # fmt: skip


def values(shape: Shape) -> st.SearchStrategy[Any]:
    """Values for a place of that shape, often of another type."""
    odd: st.SearchStrategy[Any] = st.sampled_from([None, [], {}, 4, 2.5, True, "text"])
    right: st.SearchStrategy[Any]
    match shape:
        case Leaf(kind=Kind.TEXT):
            right = st.sampled_from(WORDS)
        case Leaf(kind=Kind.FLAG):
            right = st.booleans()
        case Leaf(kind=Kind.WHOLE):
            right = st.integers(-(10**6), 10**6)
        case Leaf():
            right = st.floats(-1000, 1000, allow_nan=False).map(lambda n: round(n, 3))
        case Items(item=item):
            right = st.lists(values(item), max_size=3)
        case Fields(keys=keys):
            names = {key.name: values(key.shape) for key in keys}
            right = st.fixed_dictionaries({}, optional=names).flatmap(with_another)
        case _:
            raise AssertionError(shape)
    return st.one_of(right, right, right, right, right, odd)


def with_another(mapping: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Sometimes an unknown key, or one with hyphens."""
    hyphened = {key.replace("_", "-"): value for key, value in mapping.items()}
    return st.sampled_from([mapping, mapping, mapping, hyphened, {**mapping, "unknown": 1}])


def faults(document: object) -> list[str]:
    return [error.json_path for error in VALIDATOR.iter_errors(document)]


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema())
    json.dumps(schema())


@settings(max_examples=80, deadline=None)
@given(st.one_of(*[st.fixed_dictionaries({key.name: values(key.shape)}) for key in DOCUMENT.keys]))
def test_what_the_schema_refuses_the_reader_has_a_finding_for(document: dict[str, Any]) -> None:
    reading = read(yaml.safe_dump(document))
    if faults(document):
        assert [finding for finding in reading.findings if finding.level is not Level.INFO]


BEYOND = (
    "cannot be decoded", "read-only", "not absolute", "not below", "deprecated", "discovery URL",
    "crypt(3)", "no suffix", "does not end in .conf", "has no ", "label ", "private key",
    "zero byte", "a line of ssh_authorized_keys", "of ca_certs", "remove_defaults",
)  # fmt: skip
"""What a schema cannot say, or says of an empty value otherwise."""


@settings(max_examples=80, deadline=None)
@given(st.one_of(*[st.fixed_dictionaries({key.name: values(key.shape)}) for key in DOCUMENT.keys]))
def test_what_the_reader_refuses_the_schema_refuses_too(document: dict[str, Any]) -> None:
    reading = read(yaml.safe_dump(document))
    within = [f for f in reading.findings if not any(words in f.message for words in BEYOND)]
    # A number where text is expected is taken as the text it is written as, and
    # held to the pattern; JSON Schema holds only strings to patterns.
    if any(finding.message.startswith("invalid value") for finding in within):
        document = yaml.load(yaml.safe_dump(document), Loader=yaml.BaseLoader)  # noqa: S506
        within = [f for f in within if f.message.startswith("invalid value")]
    if within:
        assert faults(document)


@pytest.mark.parametrize(
    "document",
    [
        {"hostname": "a", "ssh-authorized-keys": ["k"], "coreos": {"update": {"group": "x"}}},
        {"write-files": [{"path": "/etc/x", "permissions": 644}]},
        {"coreos": {"fleet": {"verbosity": 2, "etcd_request_timeout": 2, "verify-units": True}}},
        {"coreos": {"units": [{"name": "a.service", "drop-ins": [{"name": "x.conf"}]}]}},
    ],
)
def test_correct_documents_pass(document: object) -> None:
    assert not faults(document)


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"hostnme": "a"}, "$"),
        (
            {"coreos": {"update": {"reboot-strategy": "never"}}},
            "$.coreos.update['reboot-strategy']",
        ),
        ({"users": [{"gecos": "x"}]}, "$.users[0]"),
        (
            {"coreos": {"units": [{"name": "a.service", "enable": "yes"}]}},
            "$.coreos.units[0].enable",
        ),
    ],
)
def test_a_mistake_is_marked_where_it_is(document: object, place: str) -> None:
    assert faults(document) == [place]
