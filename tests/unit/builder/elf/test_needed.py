"""The initrd gets every file that its programs need, at the place where they look."""

import os
from pathlib import Path

import pytest

from builder.elf import needed
from hostio.system.runner import Command, LocalRunner
from osmodel.faults import InvalidInput

TRIPLETS = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}
NAMES = {"x86_64": "x86_64", "aarch64": "arm64"}
MACHINE = os.uname().machine
PROGRAM = "usr/bin/true"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with one program of this host, and merged /usr."""
    (tmp_path / "usr/bin").mkdir(parents=True)
    for name in ("lib", "lib64"):
        (tmp_path / "usr" / name).mkdir()
        (tmp_path / name).symlink_to(f"usr/{name}")
    printed = LocalRunner().run(Command(("ldd", "/usr/bin/true"))).decode()
    files = [word for word in printed.split() if word.startswith("/")]
    for file in ("/usr/bin/true", *files):
        place = tmp_path / file.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(Path(file).resolve().read_bytes())
    return tmp_path


def test_a_program_brings_its_loader_and_libraries_below_usr(root: Path) -> None:
    found = needed.files(root, [PROGRAM], NAMES[MACHINE])
    assert f"usr/lib/{TRIPLETS[MACHINE]}/libc.so.6" in found
    assert any("/ld-linux" in name for name in found)
    assert all(name.startswith("usr/") for name in found)
    assert all(path.is_file() for path in found.values())


def test_a_missing_library_is_named_with_the_file_that_needs_it(root: Path) -> None:
    (root / f"usr/lib/{TRIPLETS[MACHINE]}/libc.so.6").unlink()
    with pytest.raises(InvalidInput, match=r"/usr/bin/true needs libc\.so\.6, which is not in"):
        needed.files(root, [PROGRAM], NAMES[MACHINE])


def test_a_missing_program_is_named(root: Path) -> None:
    with pytest.raises(InvalidInput, match="/usr/bin/gone is not in the tree"):
        needed.files(root, ["usr/bin/gone"], NAMES[MACHINE])
