"""What an operator edited in /etc, on one version after another.

Real root images, laid under one real overlay as the initrd lays it.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from builder.image import erofs
from hostio.files.etclayers import Kind, OverlaidEtc
from hostio.system.runner import Command, LocalRunner, Runner
from hostio.system.syscalls import KernelMounts
from tests.fakes.machine import RamMachine
from tests.interop.pinnedtools import tools_tree
from update_engine.initrd import root

pytestmark = [
    pytest.mark.interop,
    pytest.mark.root,
    pytest.mark.skipif(
        os.geteuid() != 0 or not Path("/dev/loop-control").exists(),
        reason="needs root and loop devices",
    ),
]

RUNNER = LocalRunner()
SHARED_UUID = "fe821f5f-bd99-8b06-b264-4b536d7d9c5a"  # of every version of an older builder
Files = Mapping[str, str]

# Each version has the inode numbers of the one before for other files.
VERSIONS: dict[str, Files] = {
    "1": {"aa": "1", "bb": "1", "cc": "1", "dd": "1", "sub/one": "1", "sub/two": "1"},
    "2": {"bb": "2", "cc": "2", "dd": "2", "sub/one": "2", "sub/two": "2", "zz": "2"},
    "3": {"a0": "3", "bb": "3", "cc": "3", "dd": "3", "sub/two": "3", "zz": "3"},
}


@pytest.fixture
def tools(tmp_path: Path) -> Runner:
    return tools_tree().runner([tmp_path])


@pytest.fixture
def images(tools: Runner, tmp_path: Path) -> dict[str, Path]:
    made = {}
    for version, files in VERSIONS.items():
        tree = write_tree(tmp_path / f"tree-{version}", files)
        made[version] = tmp_path / f"{version}.erofs"
        erofs.make_erofs(tools, tree, made[version])
    made["1 of an older builder"] = tmp_path / "older.erofs"
    older = erofs.erofs_command(
        tmp_path / "tree-1", made["1 of an older builder"], SHARED_UUID, timestamp=0
    )
    tools.run(older)
    return made


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """An empty state partition."""
    path = tmp_path / "state.ext4"
    with path.open("wb") as file:
        file.truncate(16 << 20)
    RUNNER.run(Command(["mkfs.ext4", "-q", str(path)]))
    return path


@pytest.fixture
def machine(tmp_path: Path) -> RamMachine:
    (tmp_path / "machine").mkdir()
    return RamMachine(tmp_path / "machine")


def write_tree(tree: Path, files: Files) -> Path:
    for name, text in files.items():
        path = tree / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name} of {text}\n")
    (tree / "etc/link").symlink_to("bb")
    (tree / "var").mkdir()
    return tree


@contextlib.contextmanager
def running(machine: RamMachine, image: Path, state: Path) -> Iterator[Path]:
    """The /etc of a machine that started ``image``."""
    paths = machine.paths
    with contextlib.ExitStack() as mounted:

        def mount(source: Path, target: Path, options: str) -> None:
            target.mkdir(parents=True, exist_ok=True)
            RUNNER.run(Command(["mount", "-o", options, str(source), str(target)]))

        # A mount can only be moved out of one that is nobody else's.
        top = paths.root.parent
        RUNNER.run(Command(["mount", "--bind", "--make-private", str(top), str(top)]))
        mounted.callback(RUNNER.run, Command(["umount", "--recursive", str(top)]))
        mount(image, paths.root, "loop,ro")
        mount(state, paths.state, "loop")
        root.lay_state(machine.world._replace(mounts=KernelMounts()))
        yield paths.root / "etc"


def read(etc: Path) -> dict[str, str]:
    """Everything below ``etc``, as a program sees it."""
    found = {}
    for path in sorted(etc.rglob("*")):
        name = path.relative_to(etc).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = path.read_text().strip() + f" {path.stat().st_mode & 0o777:o}"
    return found


def image_etc(version: str) -> dict[str, str]:
    files = {name: f"{name} of {text} 644" for name, text in VERSIONS[version].items()}
    return {**files, "link": "-> bb"}


def edit(etc: Path) -> dict[str, str | None]:
    """Edit in all the ways there are; what must be found from then on."""
    with (etc / "aa").open("a") as file:
        file.write("in place\n")
    (etc / "new").write_text("by another file\n")
    (etc / "new").rename(etc / "bb")
    (etc / "cc").chmod(0o600)
    (etc / "dd").unlink()
    (etc / "sub").chmod(0o700)
    with (etc / "sub/one").open("a") as file:
        file.write("in place\n")
    (etc / "link").unlink()
    (etc / "link").symlink_to("cc")
    (etc / "own").write_text("the machine's own\n")
    return {
        "aa": "aa of 1\nin place 644",
        "bb": "by another file 644",
        "cc": "cc of 1 600",
        "dd": None,
        "sub/one": "sub/one of 1\nin place 644",
        "link": "-> cc",
        "own": "the machine's own 644",
    }


@pytest.mark.parametrize("first", ["1", "1 of an older builder"])
def test_what_was_edited_stays_so_on_every_later_version(
    first: str, images: dict[str, Path], machine: RamMachine, state: Path
) -> None:
    with running(machine, images[first], state) as etc:
        edited = edit(etc)
    for version in ("2", "3", "2"):
        with running(machine, images[version], state) as etc:
            wanted = {**image_etc(version), **edited}
            assert read(etc) == {name: text for name, text in wanted.items() if text is not None}
            assert (etc / "sub").stat().st_mode & 0o777 == 0o700
            # Copied up from this version, in place of the one before.
            with (etc / "zz").open("a") as file:
                file.write("again\n")
            edited["zz"] = read(etc)["zz"]


def test_what_is_told_of_etc_is_what_overlayfs_does(
    images: dict[str, Path], machine: RamMachine, state: Path
) -> None:
    upper = machine.paths.root / "var/lib/overlays/etc/upper"
    layers = OverlaidEtc(upper, machine.paths.root)
    with running(machine, images["1"], state) as etc:
        before = layers.image()
        edit(etc)
        (etc / "sub/one").unlink()
        (etc / "sub/two").unlink()
        (etc / "sub").rmdir()
        (etc / "sub").mkdir()
        kinds = {path: entry.kind for path, entry in layers.own().items()}
        assert kinds == {
            "/etc/aa": Kind.FILE,
            "/etc/bb": Kind.FILE,
            "/etc/cc": Kind.FILE,
            "/etc/dd": Kind.REMOVED,
            "/etc/link": Kind.FILE,
            "/etc/own": Kind.FILE,
            "/etc/sub": Kind.HIDING,
        }
        assert layers.image() == before, "what the image has does not change by edits"
        assert layers.texts("/etc/aa") == ("aa of 1\n", "aa of 1\nin place\n")
        first = layers.own()["/etc/aa"].stamp
        (etc / "aa").touch()
        assert layers.own()["/etc/aa"].stamp != first
    with running(machine, images["2"], state):
        assert layers.image().keys() == {f"/etc/{name}" for name in image_etc("2")}
        assert layers.own()["/etc/bb"].kind is Kind.FILE
