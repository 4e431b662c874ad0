"""The manifest of a release."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmodel.faults import InvalidInput
from osmodel.release import Release, release_to_json
from osmodel.releasemanifest import (
    FULL_PAYLOAD,
    Inputs,
    Package,
    ReleaseFile,
    ReleaseManifest,
)
from osmodel.version import Version

RELEASE = Release("minimal", "x86_64", "uefi", Version((1, 0, 1)), "ab" * 32)
FULL = ReleaseFile(7, "cd" * 32)
DELTA = ReleaseFile(3, "ef" * 32, source="12" * 32)
WHOLE = ReleaseManifest(
    RELEASE,
    {FULL_PAYLOAD: FULL, "disk.raw": ReleaseFile(0, "00" * 32), "from-1.0.0.payload": DELTA},
    (Package("base-files", "13.8+deb13u1"),),
    "6.12.48+deb13-amd64",
    Inputs("k", "l", "t", 1_700_000_000, {"root": "r"}),
    {"libraries": 12},
)


def test_a_manifest_survives_its_encoding() -> None:
    assert ReleaseManifest.parse(WHOLE.encode()) == WHOLE


def test_release_and_files_are_enough() -> None:
    small = ReleaseManifest(RELEASE, {FULL_PAYLOAD: FULL})
    assert ReleaseManifest.parse(small.encode()) == small
    least = {"release": release_to_json(RELEASE), "files": {}}
    assert ReleaseManifest.parse(json.dumps(least).encode()) == ReleaseManifest(RELEASE, {})


def test_the_bytes_depend_on_nothing_but_the_content() -> None:
    again = ReleaseManifest.parse(WHOLE.encode())
    assert again.encode() == WHOLE.encode()
    assert WHOLE.encode().endswith(b"}\n")


def test_payloads_are_the_full_one_and_those_with_a_source() -> None:
    assert set(WHOLE.payloads) == {FULL_PAYLOAD, "from-1.0.0.payload"}


def test_keys_of_a_later_builder_are_ignored() -> None:
    document = json.loads(WHOLE.encode())
    document["colour"] = document["files"][FULL_PAYLOAD]["colour"] = 7
    assert ReleaseManifest.parse(json.dumps(document).encode()) == WHOLE


def row(name: str, **fields: object) -> Callable[[Any], object]:
    return lambda document: document["files"].update(
        {name: {"size": 1, "sha256": "00" * 32, **fields}}
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.pop("release"), "release is missing"),
        (lambda m: m.pop("files"), "files is missing"),
        (lambda m: m["release"].update(version="1"), "not a version"),
        (lambda m: m["release"].update(image="../x"), "not a plain name"),
        (lambda m: m["files"][FULL_PAYLOAD].pop("sha256"), "expected size and sha256"),
        (lambda m: m["files"].update(x=7), "files: x: expected an object"),
        (row("x", size="7"), "expected size and sha256"),
        (row("x", size=True), "expected size and sha256"),
        (row("x", size=-1), "expected size and sha256"),
        (row("x", size=1 << 63), "expected size and sha256"),
        (row("x", sha256="AB" * 32), "expected size and sha256"),
        (row("x", source="1.0.0"), "not a root hash of a delta"),
        (row(FULL_PAYLOAD, source="00" * 32), "not a root hash of a delta"),
        (row("../x"), "not a plain file name"),
        (row(".x"), "not a plain file name"),
        (row(""), "not a plain file name"),
        (lambda m: m.update(packages=7), "packages has another form"),
        (lambda m: m.update(packages=[{"name": "x"}]), "version is missing"),
        (lambda m: m.update(kernel=7), "kernel has another form"),
        (lambda m: m["inputs"].update(epoch="now"), "epoch has another form"),
        (lambda m: m["inputs"].update(epoch=True), "epoch has another form"),
        (lambda m: m["inputs"].pop("key"), "key is missing"),
        (lambda m: m["inputs"].update(steps={"root": 1}), "root has another form"),
        (lambda m: m.update(closure=[]), "closure has another form"),
    ],
)
def test_an_unclear_manifest_is_explained(change: Callable[[object], None], reason: str) -> None:
    document = json.loads(WHOLE.encode())
    change(document)
    with pytest.raises(InvalidInput, match=reason):
        ReleaseManifest.parse(json.dumps(document).encode())


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"[" * 100_000, b"\xff", b"7", b"NaN"])
def test_what_is_not_a_json_object_is_explained(text: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"not JSON|expected an object"):
        ReleaseManifest.parse(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.sampled_from(sorted(json.loads(WHOLE.encode()))), JSON)
def test_any_value_in_any_place_is_read_or_explained(key: str, value: object) -> None:
    document = {**json.loads(WHOLE.encode()), key: value}
    try:
        ReleaseManifest.parse(json.dumps(document).encode())
    except InvalidInput:
        return
