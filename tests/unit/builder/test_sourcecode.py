"""A step is made again when code that it runs changes, and not when other code does."""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from builder import definition
from builder.cache import Cache
from builder.imagesteps import ImageSteps
from builder.packages import lockfile
from builder.packages.emulation import Emulation
from builder.packages.sandbox import ToolsTree
from builder.releasesteps import ReleaseSteps
from builder.request import BuildRequest
from builder.sourcecode import OURS, Sources
from builder.steps import Step, Steps
from builder.treesteps import TreeSteps
from hostio.system.runner import Command, LocalRunner
from osmodel.platforms import TARGETS, Target
from osmodel.version import Version
from tests.checkout import ROOT
from tests.fakes.binaryformats import RamBinaryFormats
from tests.fakes.clock import StoppedClock
from tests.fakes.report import KeptReport
from tests.fakes.runner import ScriptedRunner

PACKAGES = ("builder", "hostio", "osmodel")


def all_steps(target: Target) -> Mapping[str, Step]:
    """The steps of a real image; nothing of it is built."""
    image = definition.load(ROOT / "images/minimal", target)
    locked = lockfile.load(image.lock, refresh="")
    files = {item: Path("/debs") / item.sha256 for item in locked.everything}
    tools = ToolsTree(Path("/tools"), "digest", ScriptedRunner())
    request = BuildRequest(image, Version.parse("1.0.0"), Path("/out"))
    runner = Steps(Cache(Path("/cache")), StoppedClock(), KeptReport())
    emulation = Emulation(tools, RamBinaryFormats(), Path("/cache/emulation"))
    images = ImageSteps(TreeSteps(request, locked, files, emulation, runner))
    return {step.name: step for step in ReleaseSteps(images, Path("/chunks")).all}


STEPS = {name: step for target in TARGETS for name, step in all_steps(target).items()}
WORK = {name: step.work.__module__ for name, step in STEPS.items()}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    return tmp_path


def digests(top: Path) -> dict[str, str]:
    sources = Sources(top)
    return {step: sources.digest(module) for step, module in WORK.items()}


def path_of(top: Path, module: str) -> Path:
    place = top.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def test_a_change_of_a_module_changes_the_steps_that_import_it_and_no_other(copy: Path) -> None:
    before = digests(copy)
    modules = {name for module in WORK.values() for name in OURS.closure(module)}
    ours = sorted(name for name in modules if name.partition(".")[0] in PACKAGES)
    assert len(ours) > 60
    for module in ours:
        path = path_of(copy, module)
        text = path.read_text()
        path.write_text(f"{text}# changed\n")
        after = digests(copy)
        changed = {step for step in WORK if after[step] != before[step]}
        assert changed == {step for step in WORK if module in OURS.closure(WORK[step])}, module
        path.write_text(text)
    assert digests(copy) == before


LOADED = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps(sorted(name for name in sys.modules if name.startswith(("b", "h", "o")))))
"""


@pytest.mark.parametrize("module", sorted(set(WORK.values())))
def test_python_loads_nothing_of_ours_that_was_not_found(module: str) -> None:
    printed = LocalRunner().run(Command((sys.executable, "-c", LOADED, module), cwd=ROOT))
    loaded = {name for name in json.loads(printed) if name.partition(".")[0] in PACKAGES}
    assert loaded <= set(OURS.closure(module))


@pytest.mark.parametrize(
    ("step", "module"),
    [
        ("release", "builder.payload.chunks"),
        ("release", "builder.image.fat"),
        ("release", "zstandard"),
        ("kernel", "osmodel.kernelmodules"),
        ("firmware", "osmodel.assessment"),
        ("closure", "builder.elf.scan"),
        ("initrd", "builder.boot.initrdpython"),
        ("scan", "elftools"),
        ("bootstrap", "builder.packages.localrepo"),
    ],
)
def test_what_a_step_runs_is_found_however_deep(step: str, module: str) -> None:
    assert module in OURS.closure(WORK[step])


@pytest.mark.parametrize(
    "module",
    [
        "builder.cli",
        "builder.flash.writing",
        "builder.machine.cli",
        "builder.packages.debs",
        "builder.packages.solving",
        "builder.pipeline",
        "hostio.net.httpfetch",
    ],
)
def test_what_only_looks_on_rebuilds_nothing(module: str) -> None:
    assert path_of(ROOT, module).is_file()
    assert not [step for step, work in WORK.items() if module in OURS.closure(work)]


def test_a_change_of_the_payload_leaves_the_root_alone() -> None:
    changing = {
        step for step, work in WORK.items() if "builder.payload.chunks" in OURS.closure(work)
    }
    assert changing == {"release"}


def test_a_module_that_does_not_exist_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match=r"no module 'builder\.gone'"):
        Sources(tmp_path).digest("builder.gone")


def test_imports_in_functions_and_of_members_count(tmp_path: Path) -> None:
    texts = {
        "own/__init__": "",
        "own/a": "from own.b import member\ndef late():\n    import own.c.d\n",
        "own/b": "import json\nmember = 1\n",
        "own/c/__init__": "",
        "own/c/d": "from own import e\n",
        "own/e": "",
        "own/unused": "",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.py").write_text(text)
    found = Sources(tmp_path).closure("own.a")
    assert found == ("own", "own.a", "own.b", "own.c", "own.c.d", "own.e")
