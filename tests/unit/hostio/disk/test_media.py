"""Media are found, mounted where nothing can get out of them, and read."""

import os
from pathlib import Path

import pytest

from hostio.disk.media import MountedMedia, file_system, small_file
from hostio.net.guestrpc import VsockVariables, packet, payload
from hostio.system.syscalls import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY
from osmodel.faults import HostFailure, TransientFailure, UntrustedData
from tests.fakes.metadata.vmwarehost import VmwareHost
from tests.fakes.runner import ScriptedRunner, failing


class Mounts:
    """Remembers what was mounted how."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.flags = 0

    def mount(
        self, source: str, target: Path, kind: str, *, flags: int = 0, options: str = ""
    ) -> None:
        self.calls.append(("mount", source, str(target), kind, options))
        self.flags = flags

    def unmount(self, target: Path) -> None:
        self.calls.append(("unmount", str(target)))

    def move_mount(self, source: Path, target: Path) -> None:
        raise AssertionError(source, target)

    def grow_ext4(self, target: Path, size: int) -> None:
        raise AssertionError(target, size)


def device(tmp_path: Path, name: str, *descriptors: bytes) -> Path:
    """A medium with these volume descriptors from sector 16 on."""
    node = tmp_path / "dev" / name
    node.parent.mkdir(parents=True, exist_ok=True)
    content = b"".join(b"\0" + one.ljust(2047, b"\0") for one in descriptors)
    node.write_bytes(bytes(32768) + content)
    return node


def labelled(tmp_path: Path, label: str, node: Path) -> None:
    directory = tmp_path / "dev" / "disk" / "by-label"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / label).symlink_to(node)


def media(tmp_path: Path, mounts: Mounts, runner: ScriptedRunner | None = None) -> MountedMedia:
    runner = runner or ScriptedRunner(udevadm=b"")
    return MountedMedia(mounts, runner, tmp_path / "dev", mount_point=tmp_path / "at")


@pytest.mark.parametrize(
    ("descriptors", "kind"),
    [
        ((b"CD001\1",), "iso9660"),
        ((b"BEA01\1", b"NSR02\1", b"TEA01\1"), "udf"),
        ((b"BEA01\1", b"NSR03\1"), "udf"),
        ((b"CD001\1", b"CD001\1", b"BEA01\1", b"NSR02\1"), "iso9660"),
        ((), "vfat"),
        ((b"other",), "vfat"),
    ],
)
def test_the_file_system_is_told_by_its_descriptors(
    descriptors: tuple[bytes, ...], kind: str, tmp_path: Path
) -> None:
    assert file_system(device(tmp_path, "sr0", *descriptors)) == kind


def test_a_medium_is_mounted_so_that_nothing_gets_out(tmp_path: Path) -> None:
    mounts = Mounts()
    node = device(tmp_path, "sr0", b"CD001\1")
    with media(tmp_path, mounts).opened(node) as place:
        assert place == tmp_path / "at"
        assert len(mounts.calls) == 1
    assert mounts.calls == [
        ("mount", str(node), str(place), "iso9660", ""),
        ("unmount", str(place)),
    ]
    wanted = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
    assert mounts.flags & wanted == wanted
    assert mounts.flags & 256  # MS_NOSYMFOLLOW


def test_a_medium_is_unmounted_whatever_happens(tmp_path: Path) -> None:
    mounts = Mounts()
    node = device(tmp_path, "sr0", b"CD001\1")
    with pytest.raises(HostFailure), media(tmp_path, mounts).opened(node):
        raise HostFailure("while reading")
    assert mounts.calls[-1][0] == "unmount"


def test_a_drive_without_medium_is_a_failure(tmp_path: Path) -> None:
    with (
        pytest.raises(HostFailure),
        media(tmp_path, Mounts()).opened(tmp_path / "dev" / "sr0"),
    ):
        raise AssertionError


def test_labels_are_found_in_any_case(tmp_path: Path) -> None:
    node = device(tmp_path, "vdb")
    labelled(tmp_path, "CIDATA", node)
    labelled(tmp_path, "other", node)
    found = media(tmp_path, Mounts()).labelled("cidata")
    assert [path.name for path in found] == ["CIDATA"]


def test_devices_are_waited_for_once(tmp_path: Path) -> None:
    runner = ScriptedRunner(udevadm=b"")
    ram_releases = media(tmp_path, Mounts(), runner)
    assert not ram_releases.labelled("cidata")
    assert not ram_releases.optical()
    assert not ram_releases.boot_partition()
    assert [" ".join(command.argv) for command in runner.commands] == [
        "udevadm settle --timeout=60"
    ]


def test_devices_that_do_not_settle_are_no_reason_not_to_look(tmp_path: Path) -> None:
    labelled(tmp_path, "cidata", device(tmp_path, "vdb"))
    ram_releases = media(tmp_path, Mounts(), ScriptedRunner(udevadm=failing("timed out")))
    assert ram_releases.labelled("cidata")


def test_the_boot_partition_is_found_by_its_name(tmp_path: Path) -> None:
    node = device(tmp_path, "vda1")
    place = tmp_path / "dev" / "disk" / "by-partlabel"
    place.mkdir(parents=True)
    (place / "esp").symlink_to(node)
    assert media(tmp_path, Mounts()).boot_partition() == [place / "esp"]


# --- small files


def test_a_small_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert small_file(tmp_path / "x", 3) == b"123"
    assert small_file(tmp_path / "none", 3) is None
    assert small_file(tmp_path / "x" / "below", 3) is None


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(HostFailure, match="not a regular file"):
        small_file(tmp_path / "pipe", 3)


# --- VMware's variables


def test_a_variable_is_asked_for_by_its_whole_name() -> None:
    host = VmwareHost({"guestinfo.metadata": "instance-id: 1"})
    variables = VsockVariables(host.connect)
    assert variables.find("metadata") == "instance-id: 1"
    assert variables.find("userdata") is None
    assert host.requests == ["info-get guestinfo.metadata", "info-get guestinfo.userdata"]


def test_a_long_variable_arrives_whole() -> None:
    host = VmwareHost({"guestinfo.userdata": "x" * (1 << 20)})
    assert VsockVariables(host.connect).find("userdata") == "x" * (1 << 20)


def test_a_request_reads_back() -> None:
    assert payload(packet(b"info-get x")[4:]) == b"info-get x"


@pytest.mark.parametrize(
    "fields",
    [
        b"",
        packet(b"x")[4:-14],
        b"\0\0\0\2\0\0\0\2\0\0\0\5ab",
        b"\0\0\0\7\0\0\0\2\0\0\0\0",
        b"\0\0\0\1",
    ],
)
def test_fields_that_are_cut_off_are_no_answer(fields: bytes) -> None:
    with pytest.raises(UntrustedData):
        payload(fields)


def test_a_host_that_hangs_up_is_no_answer() -> None:
    class Gone(VmwareHost):
        def _serve(self, connection: object) -> None:
            connection.close()  # type: ignore[attr-defined]  # a socket

    with pytest.raises((UntrustedData, TransientFailure)):
        VsockVariables(Gone({}).connect).find("userdata")


def test_a_machine_that_is_no_vmware_guest_cannot_ask() -> None:
    with pytest.raises((HostFailure, TransientFailure)):
        VsockVariables().find("userdata")
