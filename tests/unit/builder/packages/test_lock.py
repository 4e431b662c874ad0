"""Package locks: text that says everything and names no host."""

from dataclasses import replace
from pathlib import Path

import pytest

from builder import imagelocks
from builder.packages import lockfile, solving
from builder.packages.lock import Archive, Lock, LockedPackage
from builder.packages.mirrors import Mirrors
from builder.packages.solving import Request
from hostio.system.runner import Command
from osmodel.faults import HostFailure, InvalidInput
from tests.checkout import ROOT
from tests.fakes.runner import ScriptedRunner

BASH = LockedPackage(
    "bash", "5.2-2+b1", "amd64", 10, "ab" * 32, Archive.MAIN, "pool/main/b/bash/bash_5.2_amd64.deb"
)
LOCK = Lock(1, "trixie", "amd64", 1_700_000_000, ("bash",), (BASH,))
MIRRORS = Mirrors("http://mirror.example/debian", "http://mirror.example/debian-security")


def test_reading_undoes_writing(tmp_path: Path) -> None:
    kernel = replace(BASH, name="linux-image", archive=Archive.SECURITY)
    locked = replace(LOCK, kernel=(kernel,), loader=(replace(BASH, version="1:2~x"),))
    path = tmp_path / "image.lock"
    path.write_text(lockfile.to_text(locked))
    assert lockfile.load(path, refresh="") == locked


BAD = {
    "format = 1": "format = 2",
    "size = 10": "size = 0",
    'archive = "debian"': 'archive = "other"',
    "ab" * 32: "ab" * 31,
    "pool/main/b/bash": "pool/../b/bash",
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


def answer(url: str, path: str, name: str = "") -> str:
    return f"'{url}/{path}' {name or Path(path).name} 10 SHA256:{'ab' * 32}\n"


class Apt:
    """Answers like apt-get; writes the index whose date a lock takes."""

    def __init__(self, loader: str = "systemd-boot-efi_262-1_amd64.deb") -> None:
        self.loader = loader

    def __call__(self, command: Command) -> bytes:
        assert command.cwd is not None
        lists = command.cwd / "lists"
        if command.argv[1] == "update":
            date = "Date: Thu, 01 Jan 2026 00:00:00 UTC\n"
            (lists / "x_InRelease").write_text(date)
            return b""
        if command.argv[1] == "download":
            return answer(MIRRORS.main, f"pool/main/s/{self.loader}").encode()
        if "linux-image-x" in command.argv:
            return (
                answer(MIRRORS.main, "pool/main/l/linux-image-6_6_amd64.deb")
                + answer(MIRRORS.main, "pool/main/l/linux-base_4_all.deb")
            ).encode()
        if "nothing" in command.argv:
            raise HostFailure("exit 100: apt-get\nE: Unable to locate package nothing")
        return (
            # The archive's file names leave the epoch out, apt's do not.
            answer(
                MIRRORS.security, "pool/updates/u/util_2%2bb_amd64.deb", "util_1%3a2+b_amd64.deb"
            )
            + answer(MIRRORS.main, "pool/main/b/bash_5_amd64.deb")
        ).encode()


def solve(tmp_path: Path, request: Request, apt: Apt | None = None) -> Lock:
    return solving.solve(request, MIRRORS, ScriptedRunner(apt_get=apt or Apt()), tmp_path)


def test_a_solution_is_sorted_and_names_no_mirror(tmp_path: Path) -> None:
    locked = solve(tmp_path, Request("amd64", ("bash",), kernel="linux-image-x", loader=True))
    assert [item.name for item in locked.packages] == ["bash", "util"]
    assert locked.packages[1].version == "1:2+b"
    assert locked.packages[1].archive is Archive.SECURITY
    assert [item.name for item in locked.kernel] == ["linux-image-6"]
    assert locked.wanted == ("bash", "linux-image-x")
    assert locked.epoch == 1_767_225_600
    assert "mirror.example" not in lockfile.to_text(locked)


def test_an_old_loader_is_never_locked(tmp_path: Path) -> None:
    apt = Apt(loader="systemd-boot-efi_257.13-1_amd64.deb")
    with pytest.raises(InvalidInput, match=r"257\.13-1 of forky is older than 258"):
        solve(tmp_path, Request("amd64", ("bash",), loader=True), apt)


def test_a_package_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no package 'nothing' in the archive"):
        solve(tmp_path, Request("amd64", ("nothing",)))


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
