"""Media as the tools of others make them, mounted by the kernel and read as sources."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder.machine.cli import local_world
from builder.machine.world import MachineWorld
from cloud_config.sources import nocloud, openstack
from hostio.disk.media import MountedMedia, file_system
from hostio.system.runner import Command, LocalRunner
from hostio.system.syscalls import KernelMounts
from osmodel.faults import HostFailure

pytestmark = [pytest.mark.interop, pytest.mark.root]

USER_DATA = b"#cloud-config\nhostname: one\n"


@pytest.fixture(scope="module")
def world() -> MachineWorld:
    return local_world()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    directory = tmp_path / "files"
    latest = directory / "openstack" / "latest"
    latest.mkdir(parents=True)
    for path in (directory / "user-data", latest / "user_data"):
        path.write_bytes(USER_DATA)
    (directory / "meta-data").write_text("instance-id: i-1\n")
    (latest / "meta_data.json").write_text('{"uuid": "i-2"}')
    (directory / "linked").symlink_to("/etc/passwd")
    return directory


def iso(world: MachineWorld, tmp_path: Path, files: Path) -> Path:
    image = tmp_path / "seed.iso"
    options = ("-quiet", "-V", "cidata", "-J", "-r", "-o", str(image), str(files))
    world.tools.runner((tmp_path,)).run(Command(("xorrisofs", *options)))
    return image


def fat(world: MachineWorld, tmp_path: Path, files: Path) -> Path:
    image = tmp_path / "seed.fat"
    image.write_bytes(bytes(2 << 20))
    runner = world.tools.runner((tmp_path,))
    runner.run(Command(("mkfs.vfat", "-n", "CIDATA", str(image))))
    wanted = [str(path) for path in files.iterdir() if not path.is_symlink()]
    runner.run(Command(("mcopy", "-s", "-i", str(image), *wanted, "::/")))
    return image


@contextmanager
def looped(image: Path) -> Iterator[Path]:
    if os.geteuid() != 0 or not Path("/dev/loop-control").exists():
        pytest.skip("needs root and loop devices")
    runner = LocalRunner()
    call = ("losetup", "--find", "--show", "--read-only", str(image))
    node = Path(runner.run(Command(call)).decode().strip())
    try:
        yield node
    finally:
        runner.run(Command(("losetup", "--detach", str(node))))


@pytest.mark.parametrize(("make", "kind"), [(iso, "iso9660"), (fat, "vfat")])
def test_a_medium_is_what_its_first_sectors_say(
    make: object, kind: str, world: MachineWorld, tmp_path: Path, files: Path
) -> None:
    image = make(world, tmp_path, files)  # type: ignore[operator]  # one of the two above
    assert file_system(image) == kind


@pytest.mark.parametrize("make", [iso, fat])
def test_a_real_medium_is_read_and_left(
    make: object, world: MachineWorld, tmp_path: Path, files: Path
) -> None:
    image = make(world, tmp_path, files)  # type: ignore[operator]  # one of the two above
    media = MountedMedia(KernelMounts(), LocalRunner(), mount_point=tmp_path / "at")
    with looped(image) as node:
        try:
            with media.opened(node) as place:
                seed, drive = nocloud.read_directory(place), openstack.read_directory(place)
                with pytest.raises(OSError, match="Read-only"):
                    (place / "written").touch()
        except HostFailure as failure:
            if "No such device" in str(failure) or "not permitted" in str(failure):
                pytest.skip(f"this kernel cannot: {failure}")
            raise
    assert seed is not None
    assert drive is not None
    assert (seed.user_data, drive.user_data) == (USER_DATA, USER_DATA)
    assert (seed.metadata.instance_id, drive.metadata.instance_id) == ("i-1", "i-2")
    assert not list((tmp_path / "at").iterdir())
