"""The manual shows every key in an example that is correct."""

import re
from pathlib import Path

import pytest
import yaml

from cloud_config.document.catalogue import DOCUMENT
from cloud_config.document.interpreting import interpret
from cloud_config.document.keys import Fields, Items, Shape
from cloud_config.document.substitution import SAMPLES
from tests.checkout import ROOT

MANUALS = [
    ROOT / "docs" / "usage" / name for name in ("cloud-config.md", "from-coreos-cloudinit.md")
]
# A document that has one of these gets a warning, or is about a program that is gone.
UNSHOWN = re.compile(r"coreos\.etcd(\.|\Z)|\.(peer_)?ca_file\Z|\.coreos_ssh_import_")


def examples(manual: Path) -> list[str]:
    return re.findall(
        r"^```yaml\n(.*?)^```", manual.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


EXAMPLES = [example for manual in MANUALS for example in examples(manual)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_correct(example: str) -> None:
    assert not interpret(example.encode(), SAMPLES).findings


def paths(shape: Shape, path: str = "") -> set[str]:
    """Every key of the table, with those above it."""
    inner = shape.item if isinstance(shape, Items) else shape
    if not isinstance(inner, Fields):
        return set()
    found = set()
    for key in inner.keys:
        below = f"{path}.{key.name}" if path else key.name
        found |= {below} | paths(key.shape, below)
    return found


def said(value: object, path: str = "") -> set[str]:
    """Every key of an example."""
    if isinstance(value, list):
        return {name for item in value for name in said(item, path)}
    if not isinstance(value, dict):
        return set()
    found = set()
    for key, inner in value.items():
        below = f"{path}.{key}" if path else str(key)
        found |= {below} | said(inner, below)
    return found


def test_every_key_is_shown() -> None:
    shown = {path for example in EXAMPLES for path in said(yaml.safe_load(example))}
    assert {path for path in paths(DOCUMENT) if not UNSHOWN.search(path)} - shown == set()


def test_what_is_not_shown_is_named() -> None:
    text = MANUALS[0].read_text(encoding="utf-8")
    for path in paths(DOCUMENT):
        if UNSHOWN.search(path) and not path.startswith("coreos.etcd."):
            assert f"`{path.rpartition('.')[2]}`" in text or f"`{path}`" in text


@pytest.mark.parametrize("manual", MANUALS, ids=lambda manual: manual.name)
def test_pages_that_are_linked_exist(manual: Path) -> None:
    for name in re.findall(r"\]\(([a-z-]+\.md)\)", manual.read_text(encoding="utf-8")):
        assert (manual.parent / name).is_file() or name == "first-boot.md"
