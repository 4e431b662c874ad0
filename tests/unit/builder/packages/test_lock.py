"""Package locks: text that says everything and names no host."""

from dataclasses import replace
from pathlib import Path

import pytest

from builder import imagelocks
from builder.packages import lockfile
from builder.packages.lock import Archive, Lock, LockedPackage
from builder.packages.mirrors import Mirrors
from osmodel.faults import InvalidInput
from tests.checkout import ROOT

BASH = LockedPackage(
    "bash", "5.2-2+b1", "amd64", 10, "ab" * 32, Archive.MAIN, "pool/main/b/bash/bash_5.2_amd64.deb"
)
LOCK = Lock(1, "trixie", "amd64", 1_700_000_000, ("bash",), (BASH,), snapshot="20260102T030405Z")
MIRRORS = Mirrors("http://mirror.example/debian", "http://mirror.example/debian-security")


def test_reading_undoes_writing(tmp_path: Path) -> None:
    kernel = replace(BASH, name="linux-image", archive=Archive.SECURITY)
    locked = replace(LOCK, kernel=(kernel,), loader=(replace(BASH, version="1:2~x"),))
    path = tmp_path / "image.lock"
    path.write_text(lockfile.to_text(locked))
    assert lockfile.load(path, refresh="") == locked


def test_where_packages_are_to_be_had_is_no_part_of_what_a_lock_holds() -> None:
    moved = replace(LOCK, snapshot="", instead_of="ab" * 32)
    assert lockfile.digest(moved) == lockfile.digest(LOCK)
    assert lockfile.digest(replace(LOCK, epoch=1)) != lockfile.digest(LOCK)


BAD = {
    "format = 1": "format = 2",
    "size = 10": "size = 0",
    'archive = "debian"': 'archive = "../debian"',
    "ab" * 32: "ab" * 31,
    "pool/main/b/bash": "pool/../b/bash",
    'snapshot = "2026': 'snapshot = "2O26',
    "epoch =": "epoc =",
}


@pytest.mark.parametrize("good", BAD)
def test_a_lock_that_was_damaged_is_refused_with_the_command_that_makes_it(
    tmp_path: Path, good: str
) -> None:
    path = tmp_path / "image.lock"
    path.write_text(lockfile.to_text(LOCK).replace(good, BAD[good]))
    with pytest.raises(InvalidInput) as caught:
        lockfile.load(path, refresh="build-image lock x")
    assert caught.value.hint


def test_a_lock_for_other_packages_is_refused_with_what_changed() -> None:
    with pytest.raises(InvalidInput, match=r"image\.lock: solved for .*: \+zsh -bash") as caught:
        lockfile.check_current(
            LOCK, ["zsh"], source=Path("image.lock"), refresh="build-image lock x"
        )
    assert caught.value.hint == "run: build-image lock x"


@pytest.mark.parametrize(
    "path",
    sorted(
        [
            *map(imagelocks.tools_lock, ("amd64", "arm64")),
            *ROOT.glob("images/*/lock/*.lock"),
        ]
    ),
)
def test_no_lock_of_this_project_names_a_host(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    assert ".org" not in text
