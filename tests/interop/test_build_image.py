"""Images built for real: the same bits twice, and nothing in them that has no business there.

Builds with two caches of their own that share nothing but downloaded packages,
so the second build repeats every step, the tools tree included.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder import cli, definition, local, pipeline
from builder.progress import Outcome
from builder.request import BuildRequest
from builder.world import CACHE_VARIABLE, BuildWorld
from osmodel.faults import InvalidInput
from osmodel.version import Version
from tests.checkout import ROOT
from tests.fakes.report import KeptReport

pytestmark = [
    pytest.mark.interop,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="making a root tree takes root"),
]
MINIMAL = ROOT / "images/minimal"


def world(cache: Path) -> BuildWorld:
    return local.build_world({**os.environ, CACHE_VARIABLE: str(cache)})


@pytest.fixture(scope="module")
def caches() -> Iterator[tuple[Path, Path]]:
    """Two caches below the user's, so that package files are linked and not copied."""
    usual = local.build_world()
    usual.cache.directory.mkdir(parents=True, exist_ok=True)
    top = Path(tempfile.mkdtemp(prefix="test-", dir=usual.cache.directory))
    first, second = top / "1", top / "2"
    for cache in (first, second):
        cache.mkdir(parents=True)
        if usual.debs().directory.is_dir():
            shutil.copytree(usual.debs().directory, cache / "debs", copy_function=os.link)
    yield first, second
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def release(caches: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    status = cli.run([str(MINIMAL), "--out", str(out), "--no-payload"], world(caches[0]))
    assert status == 0
    return out / "minimal-x86_64-1.0.0"


@pytest.fixture
def root(release: Path, caches: tuple[Path, Path]) -> Path:
    manifest = json.loads((release / "manifest.json").read_text())
    return caches[0] / "steps" / f"root-{manifest['inputs']['steps']['root']}" / "root"


def request_for(out: Path, *overlays: Path) -> BuildRequest:
    image = definition.load(MINIMAL)
    version = Version.parse("1.0.0")
    return BuildRequest(image, version, out, overlays=overlays, with_payload=False)


def test_building_twice_gives_the_same_bits_whatever_the_umask(
    release: Path, caches: tuple[Path, Path], tmp_path: Path
) -> None:
    before = os.umask(0o077)
    try:
        status = cli.run([str(MINIMAL), "--out", str(tmp_path), "--no-payload"], world(caches[1]))
    finally:
        os.umask(before)
    assert status == 0
    first, second = (
        json.loads((path / "manifest.json").read_text())
        for path in (release, tmp_path / release.name)
    )
    assert first == second


def test_a_change_of_an_overlay_does_not_bootstrap_again(
    release: Path, caches: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "overlay/etc").mkdir(parents=True)
    (tmp_path / "overlay/etc/motd").write_text("hello\n")
    request = request_for(release.parent, tmp_path / "overlay")
    plan = pipeline.plan(request, world(caches[0]), KeptReport())
    todo = [step.name for step in plan if not step.cached]
    assert todo == ["root", "closure", "filesystem", "uki", "release"]


def test_building_again_writes_nothing(release: Path, caches: tuple[Path, Path]) -> None:
    before = release.stat().st_ino
    report = KeptReport()
    assert pipeline.build(request_for(release.parent), world(caches[0]), report) == release
    assert {outcome for _, outcome in report.steps} == {Outcome.CACHED}
    assert release.stat().st_ino == before


def test_a_missing_library_fails_the_build(
    release: Path, caches: tuple[Path, Path], root: Path, tmp_path: Path
) -> None:
    program = tmp_path / "overlay/usr/bin/broken"
    program.parent.mkdir(parents=True)
    content = (root / "usr/bin/bash").read_bytes().replace(b"libtinfo.so.6", b"libgone.so.66")
    program.write_bytes(content)
    request = request_for(release.parent, tmp_path / "overlay")
    with pytest.raises(InvalidInput, match=r"/usr/bin/broken: needs libgone\.so\.66"):
        pipeline.build(request, world(caches[0]), KeptReport())


@pytest.mark.parametrize(
    "name",
    ["usr/bin/dpkg", "usr/bin/apt", "usr/bin/perl", "var/lib/dpkg", "usr/bin/gcc", "usr/share/man"],
)
def test_no_tool_that_changes_packages_is_left(root: Path, name: str) -> None:
    assert not (root / name).exists()


def test_everything_has_one_age_and_nothing_is_below_var(root: Path) -> None:
    paths = list(root.rglob("*"))
    assert len({path.lstat().st_mtime for path in paths}) == 1
    assert list((root / "var").iterdir()) == []


def test_every_module_is_compiled_and_needs_no_check_of_its_source(root: Path) -> None:
    sources = [
        path
        for place in ("usr/lib/python3", "usr/lib/twinkeel/python")
        for path in (root / place).rglob("*.py")
    ]
    assert len(sources) > 200
    for path in sources:
        (cached,) = path.parent.glob(f"__pycache__/{path.stem}.cpython-*.pyc")
        # PEP 552: flag 1 says "hash", flag 2 would say "look at the source".
        assert cached.read_bytes()[4:8] == b"\x01\0\0\0", path


def test_programs_are_enabled_by_presets_alone(root: Path) -> None:
    wanted = {path.name for path in (root / "etc/systemd/system").glob("*.wants/*")}
    assert {"ssh.service", "systemd-networkd.service", "systemd-resolved.service"} <= wanted
    assert not {name for name in wanted if name.startswith(("apt-", "dpkg-", "e2scrub", "man-"))}


def test_the_manifest_says_what_is_in_the_release(release: Path) -> None:
    manifest = json.loads((release / "manifest.json").read_text())
    files = {"disk.raw", "disk.qcow2", "root.erofs", "root.verity", "uki.efi"}
    assert set(manifest["files"]) == files
    for name, row in manifest["files"].items():
        assert (release / name).stat().st_size == row["size"]
    names = {package["name"] for package in manifest["packages"]}
    assert "systemd" in names
    assert "dpkg" not in names
    assert manifest["closure"]["hardening"]["programs"] > 200


def test_the_root_leaves_room_in_its_slot(release: Path) -> None:
    size = (release / "root.erofs").stat().st_size
    assert size < 0.7 * definition.load(MINIMAL).disk.slot
