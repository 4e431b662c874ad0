"""What apt is asked, and what becomes of its answers."""

from pathlib import Path

import pytest

from builder.packages import lockfile
from builder.packages.lock import Archive, Lock
from builder.packages.mirrors import Mirrors
from builder.packages.proxies import Proxies
from builder.packages.solving import PackageRequest, Solver
from hostio.system.runner import Command, ProgramFailure
from osmodel.faults import InvalidInput
from tests.fakes.runner import ScriptedRunner

MIRRORS = Mirrors("http://mirror.example/debian", "http://mirror.example/debian-security")
NOW = "20260102T030405Z"


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
            raise ProgramFailure("exit 100: apt-get", "E: Unable to locate package nothing")
        if "rivals" in command.argv:
            raise ProgramFailure("exit 100: apt-get", UNMET)
        return (
            # The archive's file names leave the epoch out, apt's do not.
            answer(
                MIRRORS.security, "pool/updates/u/util_2%2bb_amd64.deb", "util_1%3a2+b_amd64.deb"
            )
            + answer(MIRRORS.main, "pool/main/b/bash_5_amd64.deb")
        ).encode()


UNMET = """Reading package lists...
The following packages have unmet dependencies:
 chrony : Conflicts: time-daemon
 systemd-timesyncd : Conflicts: time-daemon
E: Unable to correct problems, you have held broken packages.
"""


def solve(tmp_path: Path, request: PackageRequest, apt: Apt | None = None) -> Lock:
    keyring = tmp_path / "debian.gpg"
    keyring.touch()
    runner = ScriptedRunner(apt_get=apt or Apt())
    proxies = Proxies({"no_proxy": "x.example"}, {"Acquire::http::Proxy": "http://p.example:3128"})
    return Solver(MIRRORS, runner, tmp_path, NOW, keyring, proxies).solve(request)


def test_a_solution_is_sorted_and_names_no_mirror(tmp_path: Path) -> None:
    locked = solve(
        tmp_path, PackageRequest("amd64", ("bash",), kernel="linux-image-x", loader=True)
    )
    assert [item.name for item in locked.packages] == ["bash", "util"]
    assert locked.packages[1].version == "1:2+b"
    assert locked.packages[1].archive == Archive.SECURITY
    assert [item.name for item in locked.kernel] == ["linux-image-6"]
    assert locked.wanted == ("bash", "linux-image-x")
    assert locked.epoch == 1_767_225_600
    assert locked.snapshot == NOW
    assert "mirror.example" not in lockfile.to_text(locked)


def test_an_old_loader_is_never_locked(tmp_path: Path) -> None:
    apt = Apt(loader="systemd-boot-efi_257.13-1_amd64.deb")
    with pytest.raises(InvalidInput, match=r"257\.13-1 of forky is older than 258"):
        solve(tmp_path, PackageRequest("amd64", ("bash",), loader=True), apt)


def test_a_package_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no package 'nothing' in the archive"):
        solve(tmp_path, PackageRequest("amd64", ("nothing",)))


def test_packages_that_exclude_each_other_are_named_in_apts_words(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="together: chrony : Conflicts: time-daemon; systemd-"):
        solve(tmp_path, PackageRequest("amd64", ("rivals",)))


def test_a_package_that_is_excluded_and_needed_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"packages\.exclude: 'util' is needed"):
        solve(tmp_path, PackageRequest("amd64", ("bash",), excluded=("util",)))


def test_apt_sees_the_environments_proxies(tmp_path: Path) -> None:
    seen: list[Command] = []

    class Watched(Apt):
        def __call__(self, command: Command) -> bytes:
            seen.append(command)
            return super().__call__(command)

    solve(tmp_path, PackageRequest("amd64", ("bash",)), Watched())
    assert {command.env["no_proxy"] for command in seen} == {"x.example"}


def test_apt_is_told_of_proxies_and_components_and_keeps_keys_apart(tmp_path: Path) -> None:
    solve(tmp_path, PackageRequest("amd64", ("bash",), components=("contrib",)))
    place = tmp_path / "trixie-local"
    assert 'Acquire::http::Proxy "http://p.example:3128";' in (place / "apt.conf").read_text()
    lines = (place / "etc/apt/sources.list").read_text().splitlines()
    debian, security = (f"{place}/etc/apt/keys/{name}.gpg" for name in Archive)
    assert lines == [
        f"deb [signed-by={debian}] {MIRRORS.main} trixie main contrib",
        f"deb [signed-by={debian}] {MIRRORS.main} trixie-updates main contrib",
        f"deb [signed-by={security}] {MIRRORS.security} trixie-security main contrib",
    ]
