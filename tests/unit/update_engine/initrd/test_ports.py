"""The adapters the initrd uses, as far as an ordinary process may use them."""

import os
from pathlib import Path

import pytest

from hostio.system.clock import SystemClock
from hostio.system.programs import ForkedPrograms
from hostio.system.syscalls import KernelMounts, load_module
from hostio.system.watchdog import NoWatchdog, open_watchdog
from osmodel.faults import HostFailure
from update_engine.initrd.init import KernelJournal
from update_engine.initrd.modules import Modules


def programs() -> ForkedPrograms:
    return ForkedPrograms(SystemClock(), NoWatchdog().alive)


def test_a_program_tells_its_status_and_what_it_printed() -> None:
    ended = programs().run(("/bin/sh", "-c", "echo out; echo err >&2; exit 3"))
    assert ended.status == 3
    assert ended.output == "out\nerr"


def test_a_killed_program_ends_like_in_a_shell() -> None:
    assert programs().run(("/bin/sh", "-c", "kill -9 $$")).status == 137


def test_a_missing_program_does_not_start() -> None:
    ended = programs().run(("/no/such/program",))
    assert (ended.status, ended.output) == (127, "/no/such/program: No such file or directory")


def test_a_program_that_hangs_is_killed() -> None:
    with pytest.raises(HostFailure, match=r"/bin/sleep did not end in 0\.05 s"):
        programs().run(("/bin/sleep", "60"), timeout=0.05)


def test_much_output_is_cut_to_its_end() -> None:
    ended = programs().run(("/bin/sh", "-c", "seq 100000; echo end"))
    assert ended.output.endswith("end")
    assert len(ended.output) <= 16 * 1024


def test_the_watchdog_is_kept_alive_while_a_program_works() -> None:
    beats: list[None] = []
    ForkedPrograms(SystemClock(), lambda: beats.append(None)).run(("/bin/sleep", "0.1"))
    assert beats


def test_a_machine_without_watchdog_has_none(tmp_path: Path) -> None:
    assert open_watchdog(180, tmp_path / "watchdog") is None


def test_a_watchdog_that_refuses_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "watchdog").write_bytes(b"")
    opened = open_watchdog(180, tmp_path / "watchdog")
    assert opened is not None
    opened.alive()


def test_a_refused_mount_says_what_was_refused(tmp_path: Path) -> None:
    with pytest.raises(HostFailure, match=r"mount nothing on .* as nosuchfs: "):
        KernelMounts().mount("nothing", tmp_path / "at", "nosuchfs")
    with pytest.raises(HostFailure, match="unmount "):
        KernelMounts().unmount(tmp_path)


def test_growing_what_is_no_ext4_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostFailure, match=r"grow .* to 4096 bytes"):
        KernelMounts().grow_ext4(Path("/proc/self"), 4096)
    with pytest.raises(HostFailure, match="No such file"):
        KernelMounts().grow_ext4(tmp_path / "none", 4096)


def test_a_missing_module_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostFailure, match=r"dm\.ko: No such file"):
        load_module(tmp_path / "dm.ko")


def test_a_file_that_is_no_module_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dm.ko").write_bytes(b"not a module")
    with pytest.raises(HostFailure, match=r"load dm\.ko: "):
        load_module(tmp_path / "dm.ko")


def test_each_line_is_a_record_of_the_kernels_log(tmp_path: Path) -> None:
    node = tmp_path / "kmsg"
    os.mkfifo(node)
    reader = os.open(node, os.O_RDONLY | os.O_NONBLOCK)
    KernelJournal(node).say("one\n" + "x" * 2000, 3)
    lines = os.read(reader, 8192).splitlines()
    os.close(reader)
    assert lines == [b"<3>twinkeel: one", b"<3>twinkeel: " + b"x" * 900]


def test_without_a_log_messages_go_to_the_console(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    KernelJournal(tmp_path / "none/kmsg").say("hello")
    assert capsys.readouterr().err == "twinkeel: hello\n"


class Loader:
    def __init__(self, refused: str = "") -> None:
        self.loaded: list[str] = []
        self._refused = refused

    def __call__(self, path: Path) -> None:
        self.loaded.append(path.name)
        if path.name == self._refused:
            raise HostFailure(f"load {path.name}: No such device")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "modules.dep").write_text("a/disk.ko: a/bus.ko\na/bus.ko:\na/other.ko: a/bus.ko\n")
    (tmp_path / "modules.alias").write_text("alias pci:v01* disk\n")
    (tmp_path / "bus/pci/devices/0").mkdir(parents=True)
    (tmp_path / "bus/pci/devices/0/modalias").write_text("pci:v01d02\n")
    (tmp_path / "bus/pci/devices/1").mkdir()
    return tmp_path


def test_drivers_are_loaded_once_with_what_they_need(top: Path) -> None:
    loader = Loader()
    modules = Modules(top, top, loader)
    assert modules.load_drivers() == []
    assert modules.load_drivers() == []
    assert loader.loaded == ["bus.ko", "disk.ko"]


def test_devices_that_appear_later_get_their_drivers(top: Path) -> None:
    (top / "bus/pci/devices/0/modalias").unlink()
    loader = Loader()
    modules = Modules(top, top, loader)
    modules.load_drivers()
    (top / "bus/pci/devices/1/modalias").write_text("pci:v01d09\n")
    modules.load_drivers()
    assert loader.loaded == ["bus.ko", "disk.ko"]


def test_a_refused_module_is_told_and_the_next_is_loaded(top: Path) -> None:
    loader = Loader(refused="disk.ko")
    assert Modules(top, top, loader).load(["disk", "other", "built_in"]) == [
        "load disk.ko: No such device"
    ]
    assert loader.loaded == ["bus.ko", "disk.ko", "other.ko"]


def test_a_kernel_without_modules_loads_none(tmp_path: Path) -> None:
    loader = Loader()
    modules = Modules(tmp_path / "none", tmp_path, loader)
    modules.load_drivers()
    modules.load(["disk"])
    assert not loader.loaded


def test_what_is_shown_reaches_the_log_and_the_console(tmp_path: Path) -> None:
    log, console = tmp_path / "kmsg", tmp_path / "console"
    log.touch()
    console.touch()
    KernelJournal(log, console).show("starting slot a")
    assert log.read_bytes() == b"<6>twinkeel: starting slot a\n"
    assert console.read_bytes() == b"twinkeel: starting slot a\r\n"


def test_a_missing_console_is_no_reason_to_stop(tmp_path: Path) -> None:
    log = tmp_path / "kmsg"
    log.touch()
    KernelJournal(log, tmp_path / "none/console").show("starting slot a")
    assert log.read_bytes().endswith(b"starting slot a\n")
