"""A built release as publishing reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror.release.builtrelease import read
from osmodel.faults import InvalidInput, UntrustedData
from tests.fakes.repository import built, release

DELTAS = {"12" * 32: b"delta"}


def test_a_release_without_its_full_payload_is_not_published(tmp_path: Path) -> None:
    directory = built(tmp_path / "built", release("1.0.0"), b"payload", DELTAS)
    manifest = json.loads((directory / "manifest.json").read_bytes())
    del manifest["files"]["full.payload"]
    (directory / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidInput, match=r"full\.payload is missing"):
        read(directory)


def test_a_payload_that_is_not_the_one_built_is_refused(tmp_path: Path) -> None:
    directory = built(tmp_path / "built", release("1.0.0"), b"payload")
    (directory / "full.payload").write_bytes(b"paYload")
    with pytest.raises(UntrustedData, match="the manifest says"):
        read(directory)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.pop("release"), "release is missing"),
        (lambda m: m.pop("files"), "files is missing"),
        (lambda m: m["files"].clear(), "full.payload is missing"),
        (lambda m: m["files"]["full.payload"].pop("sha256"), "expected size and sha256"),
        (lambda m: m["files"]["full.payload"].update(size="7"), "expected size and sha256"),
        (lambda m: m["release"].update(version="1"), "not a version"),
        (lambda m: m["release"].update(image="../x"), "not a plain name"),
    ],
)
def test_an_unclear_manifest_is_explained(
    tmp_path: Path, change: Callable[[object], None], reason: str
) -> None:
    directory = built(tmp_path / "built", release("1.0.0"), b"payload")
    manifest = json.loads((directory / "manifest.json").read_bytes())
    change(manifest)
    (directory / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidInput, match=reason):
        read(directory)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000])
def test_a_manifest_that_is_not_an_object_is_explained(tmp_path: Path, text: str) -> None:
    directory = built(tmp_path / "built", release("1.0.0"), b"payload")
    (directory / "manifest.json").write_text(text)
    with pytest.raises(InvalidInput, match=r"manifest\.json"):
        read(directory)


def test_a_directory_that_is_no_release_is_explained(tmp_path: Path) -> None:
    for missing in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InvalidInput, match=r"manifest\.json is missing"):
            read(missing)
