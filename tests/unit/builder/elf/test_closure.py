"""Every program finds its libraries inside the image, or the build fails."""

import shutil
from pathlib import Path

import pytest

from builder.elf import closure, hardening, scan, search
from builder.elf.closure import Closure, Exists
from builder.elf.scan import Elf
from builder.imagetoml import MissingLibrary
from osmodel.faults import InvalidInput

LOADER = "/lib64/ld.so"
SHELVES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib")
PROGRAM = Elf("x64", interpreter=LOADER, needed=("libc.so.6",), program=True, pie=True)
LIBC = Elf("x64", soname="libc.so.6")
GOOD = {"usr/bin/a": PROGRAM, "usr/lib/x86_64-linux-gnu/libc.so.6": LIBC}


def check(found: dict[str, Elf], *allow: MissingLibrary) -> Closure:
    exists: Exists = {LOADER, *(f"/{name}" for name in found)}.__contains__
    return closure.check(found, exists, "x86_64", SHELVES, allow)


def test_a_tree_in_which_all_is_there_passes() -> None:
    assert check(GOOD) == Closure(2, 1, (), (), ())


def test_a_missing_library_fails_with_the_file_and_the_library() -> None:
    with pytest.raises(InvalidInput, match=r"/usr/bin/a: needs libc\.so\.6, which is not there"):
        check({"usr/bin/a": PROGRAM})


def test_a_missing_interpreter_fails() -> None:
    odd = Elf("x64", interpreter="/lib/ld-other.so", program=True)
    with pytest.raises(InvalidInput, match=r"/usr/bin/b: needs /lib/ld-other\.so"):
        check({**GOOD, "usr/bin/b": odd})


def test_a_file_for_another_machine_fails() -> None:
    with pytest.raises(InvalidInput, match="/usr/bin/b: for AArch64, not x64"):
        check({**GOOD, "usr/bin/b": Elf("AArch64")})


@pytest.mark.parametrize("path", ["$ORIGIN/../private", "${ORIGIN}/../private", "/usr/private"])
def test_a_run_path_is_followed(path: str) -> None:
    user = Elf("x64", needed=("libx.so",), runpath=(path,), program=True)
    check({**GOOD, "usr/bin/b": user, "usr/private/libx.so": Elf("x64", soname="libx.so")})


def test_a_library_outside_the_searched_directories_is_missing() -> None:
    user = Elf("x64", needed=("libx.so",), program=True)
    with pytest.raises(InvalidInput, match=r"libx\.so"):
        check({**GOOD, "usr/bin/b": user, "usr/private/libx.so": Elf("x64", soname="libx.so")})


def test_an_exception_excuses_exactly_one_library_of_one_file() -> None:
    excuse = MissingLibrary("/usr/bin/b", "libx.so", "opened only when asked for")
    lonely = Elf("x64", needed=("libx.so",))
    assert check({**GOOD, "usr/bin/b": lonely}, excuse).allowed == ("/usr/bin/b: libx.so",)
    with pytest.raises(InvalidInput, match="/usr/bin/c"):
        check({**GOOD, "usr/bin/b": lonely, "usr/bin/c": lonely}, excuse)


def test_an_exception_that_excuses_nothing_fails() -> None:
    excuse = MissingLibrary("/usr/bin/b", "libx.so", "once needed")
    with pytest.raises(InvalidInput, match="allowed to be missing, but is not"):
        check(GOOD, excuse)


def test_libraries_that_nothing_names_are_reported() -> None:
    ram_releases = "usr/lib/x86_64-linux-gnu"
    found = {
        **GOOD,
        f"{ram_releases}/libold.so.1": Elf("x64", soname="libold.so.1"),
        f"{ram_releases}/libopen.so.1": Elf("x64", soname="libopen.so.1"),
        f"{ram_releases}/security/pam_x.so": Elf("x64", soname="pam_x.so"),
        "usr/bin/b": Elf("x64", optional=("libopen.so.1", "libgone.so.1"), program=True),
    }
    result = check(found)
    assert result.unused == (f"/{ram_releases}/libold.so.1",)
    assert result.optional_missing == ("libgone.so.1",)


def test_links_are_followed_inside_the_tree_only(tmp_path: Path) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/libx.so.1").touch()
    (tmp_path / "usr/lib/libx.so").symlink_to("/usr/lib/libx.so.1")
    (tmp_path / "usr/lib/host").symlink_to("/etc/passwd")
    (tmp_path / "usr/lib/loop").symlink_to("loop")
    (tmp_path / "lib").symlink_to("usr/lib")
    exists = closure.existence(tmp_path)
    assert exists("/lib/libx.so")
    assert not exists("/usr/lib/host")
    assert not exists("/usr/lib/loop")
    assert not exists("/usr/lib")


def test_configured_directories_come_before_the_usual_ones(tmp_path: Path) -> None:
    (tmp_path / "etc/ld.so.conf.d").mkdir(parents=True)
    (tmp_path / "etc/ld.so.conf.d/x.conf").write_text("# comment\n/opt/x\n")
    assert search.library_directories(tmp_path, "x86_64")[:2] == (
        "/opt/x",
        "/usr/lib/x86_64-linux-gnu",
    )


def test_hardening_counts_programs_and_names_the_exceptions() -> None:
    weak = Elf("x64", program=True, relro="partial", nx=True)
    strong = Elf("x64", program=True, pie=True, relro="full", nx=True, canary=True)
    found = hardening.summary({"usr/bin/a": weak, "usr/bin/b": strong, "usr/lib/c": LIBC})
    assert found.programs == 2
    assert found.with_measure == {"pie": 1, "nx": 2, "relro": 2, "bind_now": 1, "canary": 1}
    assert found.without["pie"] == ("/usr/bin/a",)


def test_a_real_program_is_read(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/lib/modules").mkdir(parents=True)
    shutil.copy("/bin/true", tmp_path / "usr/bin/true")
    shutil.copy("/bin/true", tmp_path / "usr/lib/modules/x.ko")
    (tmp_path / "usr/bin/link").symlink_to("true")
    (tmp_path / "usr/bin/script").write_text("#!/bin/sh\n")
    found = scan.scan(tmp_path)
    assert list(found) == ["usr/bin/true"]
    elf = found["usr/bin/true"]
    assert elf.program
    assert elf.interpreter.startswith("/lib")
    assert "libc.so.6" in elf.needed
    assert elf.nx
    assert scan.from_json(scan.to_json(found)) == found


@pytest.mark.parametrize("size", [4, 20, 64, 200])
def test_a_damaged_program_is_named(tmp_path: Path, size: int) -> None:
    (tmp_path / "a").write_bytes(Path("/bin/true").read_bytes()[:size])
    with pytest.raises(InvalidInput, match="damaged ELF file"):
        scan.scan(tmp_path)
