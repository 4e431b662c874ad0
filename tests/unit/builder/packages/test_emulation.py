"""Programs of another architecture: who starts them, and for how long."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from builder.packages import emulation
from builder.packages.emulation import Emulation
from builder.packages.sandbox import ToolsTree
from hostio.system.binfmt import KernelFormats
from osmodel.faults import HostFailure
from tests.fakes.binaryformats import RamBinaryFormats
from tests.fakes.kernel import RamKernel
from tests.fakes.runner import ScriptedRunner

PC = ToolsTree(Path("/cache/tools/x"), "digest", ScriptedRunner(), "amd64")
BOARD = ToolsTree(Path("/cache/tools/y"), "digest", ScriptedRunner(), "arm64")


def emulating(tools: ToolsTree, formats: RamBinaryFormats) -> Emulation:
    return Emulation(tools, formats, Path("/cache/emulation"))


@pytest.mark.parametrize(("tools", "own"), [(PC, "amd64"), (BOARD, "arm64")])
def test_the_hosts_own_programs_need_no_emulator(tools: ToolsTree, own: str) -> None:
    formats = RamBinaryFormats(refuses=True)
    with emulating(tools, formats).of(own):
        assert not formats.held
    assert emulating(tools, formats).program(own, Path("/r/sbin/ldconfig")) == ["ldconfig"]


@pytest.mark.parametrize(
    ("tools", "other", "emulator"), [(PC, "arm64", "aarch64"), (BOARD, "amd64", "x86_64")]
)
def test_other_programs_are_started_while_it_is_wanted(
    tools: ToolsTree, other: str, emulator: str
) -> None:
    formats = RamBinaryFormats()
    emulated = emulating(tools, formats)
    with emulated.of(other):
        (rule,) = formats.held.values()
        assert f"{tools.root}/usr/bin/qemu-{emulator}:POCF".encode() in rule
    assert not formats.held
    assert emulated.program(other, Path("/r/l")) == [f"qemu-{emulator}", "/r/l"]


def test_a_failure_of_the_work_takes_the_rule_away_as_well() -> None:
    formats = RamBinaryFormats()
    with pytest.raises(HostFailure, match="package"), emulating(PC, formats).of("arm64"):
        raise HostFailure("a package could not be configured")
    assert not formats.held


def test_the_hosts_emulator_serves_where_no_rule_can_be_made() -> None:
    formats = RamBinaryFormats(fixed=("qemu-aarch64",), refuses=True)
    with emulating(PC, formats).of("arm64"):
        assert not formats.seen


def test_without_any_emulator_the_reason_is_told() -> None:
    formats = RamBinaryFormats(fixed=("qemu-arm",), refuses=True)
    with (
        pytest.raises(HostFailure, match=r"arm64 cannot be started here: .*denied") as caught,
        emulating(PC, formats).of("arm64"),
    ):
        raise AssertionError("must not be reached")
    assert "qemu-user-binfmt" in caught.value.hint


def test_a_rule_matches_programs_of_its_machine_alone() -> None:
    text = emulation.rule(PC, "arm64").decode()
    _, name, kind, offset, magic, mask, _, _ = text.split(":")
    assert name.startswith("twinkeel-arm64-")
    assert (kind, offset) == ("M", "")
    wanted, relevant = (bytes.fromhex(part.replace("\\x", "")) for part in (magic, mask))

    def matches(machine: int, kind_of_file: int) -> bool:
        head = b"\x7fELF\2\1\1" + bytes(9) + bytes([kind_of_file, 0, machine, 0])
        pairs = zip(head, wanted, relevant, strict=True)
        return all(byte & bits == want & bits for byte, want, bits in pairs)

    assert matches(0xB7, 2)
    assert matches(0xB7, 3)
    assert not matches(0x3E, 2)
    assert not matches(0xB7, 4)


def rules_of(tmp_path: Path) -> Path:
    """A directory that looks like binfmt_misc without any rules."""
    place = tmp_path / "binfmt_misc"
    place.mkdir()
    (place / "register").touch()
    (place / "status").write_text("enabled\n")
    return place


def test_a_rule_of_two_builds_goes_with_the_second(tmp_path: Path) -> None:
    place, locks = rules_of(tmp_path), tmp_path / "locks"
    formats = KernelFormats(RamKernel(tmp_path), place)
    with ExitStack() as second:
        with formats.hold("r", b":r:...", locks):
            assert (place / "register").read_bytes() == b":r:..."
            (place / "r").write_text("enabled\n")
            second.enter_context(formats.hold("r", b":again:", locks))
        assert (place / "r").read_text() == "enabled\n"
    assert (place / "r").read_bytes() == b"-1"
    assert (place / "register").read_bytes() == b":r:..."


def test_the_rule_of_a_killed_build_goes_with_the_next_one(tmp_path: Path) -> None:
    place, locks = rules_of(tmp_path), tmp_path / "locks"
    locks.mkdir()
    (locks / "killed.users").touch()
    for name in ("killed", "of-others"):
        (place / name).write_text("enabled\n")
    with KernelFormats(RamKernel(tmp_path), place).hold("r", b":r:", locks):
        pass
    assert (place / "killed").read_bytes() == b"-1"
    assert (place / "of-others").read_text() == "enabled\n"


def test_rules_are_mounted_where_the_host_has_them_nowhere(tmp_path: Path) -> None:
    kernel, place = RamKernel(tmp_path), rules_of(tmp_path)
    kernel.media["binfmt_misc"] = place
    locks = tmp_path / "locks"
    with KernelFormats(kernel, tmp_path / "nowhere").hold("r", b":r:", locks):
        assert kernel.mounted == [f"binfmt_misc:binfmt_misc:{locks / 'rules'}"]
        assert (place / "register").read_bytes() == b":r:"
    assert not kernel.mounted


def test_only_enabled_rules_with_an_open_interpreter_count(tmp_path: Path) -> None:
    place = rules_of(tmp_path)
    (place / "qemu-aarch64").write_text("enabled\ninterpreter /q\nflags: OCF\n")
    (place / "qemu-arm").write_text("disabled\ninterpreter /q\nflags: OCF\n")
    (place / "qemu-mips").write_text("enabled\ninterpreter /q\nflags: OC\n")
    assert KernelFormats(RamKernel(tmp_path), place).fixed() == ("qemu-aarch64",)
