"""Images of another architecture, built with this host's tools and emulator.

One build uses the user's cache, as the scenarios on machines do, and one starts
from package files alone: an emulated step that does not repeat would show.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builder import cli, local
from builder.elf.search import library_directories
from builder.world import CACHE_VARIABLE, BuildWorld
from tests.checkout import ROOT

pytestmark = [
    pytest.mark.interop,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="making a root tree takes root"),
]
MINIMAL = str(ROOT / "images/minimal")
RULES = Path("/proc/sys/fs/binfmt_misc")
TARGETS = {
    "arm64": ["--arch", "arm64"],
    "arm64-raspberrypi": ["--platform", "raspberrypi"],
}


@pytest.fixture(scope="module")
def usual() -> BuildWorld:
    return local.build_world()


@pytest.fixture(scope="module")
def fresh(usual: BuildWorld) -> Iterator[BuildWorld]:
    """A cache with nothing but package files and the tools."""
    usual.cache.directory.mkdir(parents=True, exist_ok=True)
    top = Path(tempfile.mkdtemp(prefix="test-", dir=usual.cache.directory))
    for kind in ("debs", "tools"):
        if (source := usual.cache.directory / kind).is_dir():
            shutil.copytree(source, top / kind, symlinks=True, copy_function=_linked)
    yield replace(usual, environment={**os.environ, CACHE_VARIABLE: str(top)})
    shutil.rmtree(top)


def _linked(source: str, target: str) -> None:
    os.link(source, target, follow_symlinks=False)


def built(world: BuildWorld, label: str, out: Path) -> Path:
    arguments = [MINIMAL, *TARGETS[label], "--out", str(out), "--no-payload"]
    assert cli.run(arguments, world) == 0
    return out / f"minimal-{label}-1.0.0"


def facts(release: Path) -> dict[str, object]:
    manifest: dict[str, object] = json.loads((release / "manifest.json").read_text())
    return manifest


@pytest.mark.exhaustive
@pytest.mark.parametrize("label", TARGETS)
def test_emulated_builds_give_the_same_bits(
    usual: BuildWorld, fresh: BuildWorld, label: str, tmp_path: Path
) -> None:
    first = facts(built(usual, label, tmp_path / "1"))
    second = facts(built(fresh, label, tmp_path / "2"))
    assert first == second
    assert first["release"]["platform"] == ("uefi" if label == "arm64" else "raspberrypi")  # type: ignore[index] # JSON


def test_the_tree_knows_its_own_libraries_and_nothing_of_the_emulator(
    usual: BuildWorld, tmp_path: Path
) -> None:
    steps = facts(built(usual, "arm64", tmp_path))["inputs"]["steps"]  # type: ignore[index] # JSON
    root = usual.cache.place("steps", f"root-{steps['root']}") / "root"
    names = (root / "etc/ld.so.cache").read_bytes()
    assert b"/usr/lib/aarch64-linux-gnu/libc.so.6" in names or b"/lib/aarch64-linux" in names
    assert b"x86_64" not in names
    assert all("x86_64" not in place for place in library_directories(root, "arm64"))
    assert not list(root.rglob("qemu-*"))


def test_no_rule_for_the_emulator_stays_behind(usual: BuildWorld, tmp_path: Path) -> None:
    built(usual, "arm64", tmp_path)
    places = (RULES, usual.cache.directory / "emulation" / "rules")
    assert not [path for place in places for path in place.glob("twinkeel-*")]
