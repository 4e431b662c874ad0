"""``build-image`` refuses what cannot be built before it builds anything."""

import sys
from pathlib import Path

import pytest

from builder import cli, progress
from builder.packages.sandbox import ToolsTree
from builder.progress import Outcome, PlainReport
from builder.targets import target_of
from builder.world import CACHE_VARIABLE, BuildWorld
from hostio.system.runner import Command
from osmodel.faults import HostFailure, InvalidInput
from tests.checkout import ROOT
from tests.fakes.binaryformats import RamBinaryFormats
from tests.fakes.clock import StoppedClock
from tests.fakes.fetcher import RamFetcher
from tests.fakes.runner import ScriptedRunner, failing

MINIMAL = str(ROOT / "images/minimal")


def world(tmp_path: Path, *, user: int = 0) -> BuildWorld:
    environment = {CACHE_VARIABLE: str(tmp_path / "cache"), "TWINKEEL_MIRROR": "http://m.example"}
    runner = ScriptedRunner(apt_get=b"")
    formats = RamBinaryFormats()
    return BuildWorld(runner, RamFetcher({}), StoppedClock(), formats, environment, tmp_path, user)


BAD = {
    ("images/none",): (2, "no image definition there"),
    (MINIMAL, "--arch", "vax"): (2, "architecture: 'vax' is not supported"),
    (MINIMAL, "--platform", "bios"): (2, "platform: 'bios' is not supported"),
    (MINIMAL, "--arch", "x86_64", "--platform", "raspberrypi"): (2, "a Raspberry Pi is not an x86"),
    (MINIMAL, "--version", "01"): (2, "not a version: '01'"),
    (MINIMAL, "--overlay", "none"): (2, "--overlay: no such directory: none"),
    (MINIMAL, "--trust-root", "none"): (2, "--trust-root: no such file: none"),
    (MINIMAL, "--kernel-arg", "a b"): (2, "--kernel-arg: not one kernel argument: 'a b'"),
    (MINIMAL, "--payload-level", "20"): (2, "--payload-level: expected 1 to 19: 20"),
    ("lock",): (2, "say which lock"),
    ("lock", "--tools", "--arch", "vax"): (2, "architecture: 'vax' is not supported"),
    ("lock", MINIMAL, "--arch", "vax"): (2, "architecture: 'vax' is not supported"),
}


@pytest.mark.parametrize("arguments", BAD)
def test_a_bad_call_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    status, message = BAD[arguments]
    assert cli.run(arguments, world(tmp_path)) == status
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""
    assert not (tmp_path / "cache").exists()


def test_building_takes_root(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([MINIMAL], world(tmp_path, user=1000)) == HostFailure.exit_status
    assert "takes root" in capsys.readouterr().err


def test_a_package_that_left_the_archive_names_the_lock_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([MINIMAL], world(tmp_path)) == InvalidInput.exit_status
    printed = capsys.readouterr().err
    assert "gone from the archive" in printed
    assert "--newer" in printed
    assert "build-image lock" in printed


TREE = ToolsTree(Path("/cache/tools/x"), "digest", ScriptedRunner())


def test_a_tool_sees_its_tree_and_the_paths_it_was_given() -> None:
    wrapped = TREE.wrapped(Command(["mkfs.erofs", "a b"], cwd=Path("/w")), [Path("/w"), Path("/x")])
    argv = list(wrapped.argv)
    assert argv[:3] == ["bwrap", "--die-with-parent", "--unshare-pid"]
    assert argv[argv.index("--ro-bind") + 1] == "/cache/tools/x/usr"
    assert argv[-5:] == ["--chdir", "/w", "--", "mkfs.erofs", "a b"]
    assert [argv[i + 1] for i, word in enumerate(argv) if word == "--bind"] == ["/w", "/x"]
    assert wrapped.cwd is None


@pytest.mark.parametrize("path", ["usr/x", "/usr/src/x", "/etc/x", "relative"])
def test_a_path_that_would_hide_the_tree_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput, match="build tools cannot see"):
        TREE.wrapped(Command(["true"]), [Path(path)])


def test_a_failing_tool_is_shown_without_its_wrapping() -> None:
    def fail(command: Command) -> bytes:
        raise HostFailure(f"exit 1: {command}\nno space")

    tree = ToolsTree(Path("/t"), "d", ScriptedRunner(bwrap=fail))
    with pytest.raises(HostFailure) as caught:
        tree.runner([Path("/w")]).run(Command(["mkfs.erofs", "x"]))
    assert str(caught.value) == "exit 1: mkfs.erofs x\nno space"


def test_a_missing_bubblewrap_is_named() -> None:
    tree = ToolsTree(Path("/t"), "d", ScriptedRunner(bwrap=failing("program not found: bwrap")))
    with pytest.raises(HostFailure, match="program not found: bwrap"):
        tree.runner().run(Command(["true"]))


def test_a_log_gets_one_line_for_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    report = progress.chosen(sys.stderr)
    assert isinstance(report, PlainReport)
    report.begin("kernel")
    report.note("12 of 30 MiB")
    report.end("kernel", 1.25, Outcome.DONE)
    report.end("root", 0.0, Outcome.CACHED)
    report.end("disk", 2.0, Outcome.FAILED)
    assert capsys.readouterr().err.splitlines() == [
        "kernel           1.2 s",
        "root         cached",
        "disk             2.0 s  failed",
    ]


@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        ([], "x86_64"),
        (["--arch", "arm64"], "arm64"),
        (["--platform", "uefi"], "x86_64"),
        (["--platform", "raspberrypi"], "raspberrypi"),
    ],
)
def test_what_is_not_said_of_a_target_is_the_usual(arguments: list[str], target: str) -> None:
    options = cli.parser().parse_args([MINIMAL, *arguments])
    assert target_of(options).lock_name == target
