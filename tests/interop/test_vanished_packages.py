"""Packages that a lock names leave the archive: a build goes on, or says what to do."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builder import cli, imagelocks, local, supply
from builder.locking import OUTDATED
from builder.packages import lockfile
from builder.packages.lock import Lock
from builder.packages.solving import PackageRequest
from builder.supply import Wanted
from builder.world import BuildWorld
from hostio.net.localsocket import free_port
from osmodel.faults import InvalidInput
from tests.interop.smallarchive import Signer, SmallArchive

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    with tempfile.TemporaryDirectory(prefix="twinkeel-") as name:
        made = Signer(Path(name) / "gpg")
        yield made
        made.stop()


REQUEST = PackageRequest(
    "amd64", ("app", "other", "tool"), kernel="linux-image-x", loader=True, stub=True
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> SmallArchive:
    """The archive as it was when the lock beside it was made."""
    top = tmp_path_factory.mktemp("original")
    made = SmallArchive(top / "archive", signer)
    made.add("base", essential=True)
    made.add("app", depends="libapp (= 1), base", source="app")
    made.add("libapp", source="app")
    made.add("tool", depends="libapp")
    made.add("other")
    made.add("linux-image-1", source="linux-signed")
    made.add("linux-image-x", depends="linux-image-1", source="linux-signed")
    made.add("systemd-boot-efi", "257", source="systemd")
    made.add("systemd-boot-efi", "262", source="systemd", suite="forky")
    made.publish_all()
    with made.served() as found:
        locking = local.build_world(settings(top, made, found))
        imagelocks.refresh(Wanted("small", top / "small.lock", REQUEST, "", {}), locking)
    return made


def settings(top: Path, archive: SmallArchive, address: str) -> dict[str, str]:
    return {
        "TWINKEEL_CACHE": str(top / "cache"),
        "TWINKEEL_MIRROR": f"{address}/debian",
        "TWINKEEL_SECURITY_MIRROR": f"{address}/debian-security",
        "TWINKEEL_SNAPSHOT": address,
        "TWINKEEL_KEYRING": str(archive.signer.keyring),
    }


@pytest.fixture
def archive(tmp_path: Path, original: SmallArchive) -> SmallArchive:
    return original.copied(tmp_path / "archive")


@pytest.fixture
def address(archive: SmallArchive) -> Iterator[str]:
    with archive.served() as found:
        yield found


@pytest.fixture
def world(tmp_path: Path, archive: SmallArchive, address: str) -> BuildWorld:
    return local.build_world(settings(tmp_path, archive, address))


@pytest.fixture
def wanted(tmp_path: Path, original: SmallArchive) -> Wanted:
    """A lock of the archive as it was at first."""
    path = tmp_path / "small.lock"
    shutil.copyfile(original.top.parent / "small.lock", path)
    return Wanted("small-x86_64", path, REQUEST, "build-image lock small", {})


def without_snapshot(world: BuildWorld) -> BuildWorld:
    """The same host when the snapshot service does not answer."""
    nobody = f"http://127.0.0.1:{free_port()}"
    return replace(world, environment={**world.environment, "TWINKEEL_SNAPSHOT": nobody})


def newer(world: BuildWorld, tmp_path: Path) -> BuildWorld:
    return without_snapshot(world).allowing_newer(tmp_path / "out/locks")


def versions(lock: Lock) -> dict[str, str]:
    return {item.name: item.version for item in (*lock.packages, *lock.kernel)}


def obtained(wanted: Wanted, world: BuildWorld) -> tuple[Lock, list[str]]:
    told: list[str] = []
    lock = supply.obtained(wanted, world, told.append)
    assert world.debs().holds(lock.everything)
    return lock, told


def test_a_lock_whose_packages_are_all_there_is_used_as_it_is(
    wanted: Wanted, world: BuildWorld
) -> None:
    lock, told = obtained(wanted, world)
    assert lock == wanted.committed()
    assert told == []
    assert versions(lock)["linux-image-1"] == "1"
    assert lock.snapshot


def test_the_snapshot_service_has_what_the_mirror_dropped(
    wanted: Wanted, world: BuildWorld, archive: SmallArchive
) -> None:
    archive.vanish("other", "1")
    archive.vanish("systemd-boot-efi", "262")
    lock, told = obtained(wanted, world)
    assert lock == wanted.committed()
    assert told == ["small-x86_64: other 1, systemd-boot-efi 262 from the snapshot service"]
    path = "pool/main/o/other/other_1_amd64.deb"
    assert f"/archive/debian/{lock.snapshot}/{path}" in archive.asked


def test_without_the_service_the_package_is_named_with_the_ways_out(
    wanted: Wanted, world: BuildWorld, archive: SmallArchive
) -> None:
    archive.vanish("other", "1")
    with pytest.raises(InvalidInput, match=r"gone from the archive: other 1 \(") as caught:
        obtained(wanted, without_snapshot(world))
    assert "snapshot service cannot be reached" in str(caught.value)
    assert "--newer" in caught.value.hint
    assert "build-image lock" in caught.value.hint


def test_only_what_is_gone_is_replaced(
    wanted: Wanted, world: BuildWorld, archive: SmallArchive, tmp_path: Path
) -> None:
    before = wanted.lock.read_bytes()
    archive.add("other", "2")
    archive.add("tool", "2", depends="libapp")  # newer, but the old one is still there
    archive.vanish("other", "1")
    lock, told = obtained(wanted, newer(world, tmp_path))
    assert versions(lock) == {**versions(wanted.committed()), "other": "2"}
    assert lock.epoch == wanted.committed().epoch
    place = tmp_path / "out/locks/small-x86_64.lock"
    assert told == [
        f"{wanted.lock}: taken instead of packages that are gone: other 1 -> 2; see {place}"
    ]
    assert lockfile.load(place, refresh="") == lock
    assert wanted.lock.read_bytes() == before


def test_a_mended_lock_is_used_again_without_asking(
    wanted: Wanted, world: BuildWorld, archive: SmallArchive, tmp_path: Path
) -> None:
    archive.add("other", "2")
    archive.vanish("other", "1")
    first, _ = obtained(wanted, newer(world, tmp_path))
    archive.asked.clear()
    assert obtained(wanted, newer(world, tmp_path)) == (first, [])
    assert archive.asked == []


def test_a_mended_lock_is_void_when_the_committed_one_changes(
    wanted: Wanted, world: BuildWorld, archive: SmallArchive, tmp_path: Path
) -> None:
    archive.add("other", "2")
    archive.vanish("other", "1")
    obtained(wanted, newer(world, tmp_path))
    archive.add("other", "3")
    imagelocks.refresh(wanted, world)
    lock, _ = obtained(wanted, newer(world, tmp_path))
    assert lock == wanted.committed()
    assert versions(lock)["other"] == "3"


def test_packages_of_one_source_move_together(
    wanted: Wanted, world: BuildWorld, archive: SmallArchive, tmp_path: Path
) -> None:
    archive.add("app", "2", depends="libapp (= 2), base", source="app")
    archive.add("libapp", "2", source="app")
    archive.vanish("app", "1")
    lock, _ = obtained(wanted, newer(world, tmp_path))
    assert versions(lock) == {**versions(wanted.committed()), "app": "2", "libapp": "2"}


def test_what_depends_on_a_package_that_is_gone_moves_with_it(
    wanted: Wanted, world: BuildWorld, archive: SmallArchive, tmp_path: Path
) -> None:
    archive.add("linux-image-2", source="linux-signed")
    archive.add("linux-image-x", "2", depends="linux-image-2", source="linux-signed")
    archive.vanish("linux-image-1", "1")
    lock, _ = obtained(wanted, newer(world, tmp_path))
    assert [item.name for item in lock.kernel] == ["linux-image-2", "linux-image-x"]
    assert lock.packages == wanted.committed().packages


def test_the_loader_of_the_later_suite_is_replaced_alone(
    wanted: Wanted, world: BuildWorld, archive: SmallArchive, tmp_path: Path
) -> None:
    archive.add("systemd-boot-efi", "263", source="systemd", suite="forky")
    archive.vanish("systemd-boot-efi", "262")
    lock, told = obtained(wanted, newer(world, tmp_path))
    assert [item.version for item in (*lock.loader, *lock.stub)] == ["263", "257"]
    assert replace(lock, loader=(), snapshot="", instead_of="") == replace(
        wanted.committed(), loader=(), snapshot=""
    )
    assert "systemd-boot-efi 262 and 257 -> 263 and 257" in told[0]


def test_a_package_without_successor_is_named(
    wanted: Wanted, world: BuildWorld, archive: SmallArchive, tmp_path: Path
) -> None:
    archive.vanish("other", "1")
    with pytest.raises(InvalidInput, match="gone from the archive: other 1, and nothing replaces"):
        obtained(wanted, newer(world, tmp_path))


def test_a_mirror_that_refuses_is_not_taken_for_one_that_lacks_a_package(
    wanted: Wanted, world: BuildWorld, archive: SmallArchive
) -> None:
    archive.refused = {"/other_"}
    with pytest.raises(InvalidInput, match=r"refused by the mirror: other 1 .*HTTP 403"):
        obtained(wanted, without_snapshot(world))


def test_the_check_of_a_lock_names_what_is_gone_and_what_is_insecure(
    wanted: Wanted, world: BuildWorld, archive: SmallArchive
) -> None:
    assert imagelocks.report(wanted, world) == ()
    archive.add("tool", "1+fixed", suite="trixie-security", archive="debian-security")
    archive.add("app", "2", depends="libapp")  # newer, and no security update
    archive.vanish("other", "1")
    assert imagelocks.report(wanted, world) == (
        "small-x86_64: gone: other 1",
        "small-x86_64: security: tool 1 -> 1+fixed",
    )


def test_lock_and_download_go_through_the_same_proxy(
    wanted: Wanted, world: BuildWorld, archive: SmallArchive, address: str
) -> None:
    elsewhere = {
        "TWINKEEL_MIRROR": "http://mirror.corp.invalid/debian",
        "TWINKEEL_SECURITY_MIRROR": "http://mirror.corp.invalid/debian-security",
        "http_proxy": address,
    }
    behind = local.build_world({**world.environment, **elsewhere})
    wanted.lock.unlink()
    imagelocks.refresh(wanted, behind)
    obtained(wanted, behind)
    assert all(url.startswith("http://mirror.corp.invalid/") for url in archive.urls)


DEFINITION = """
name = "small"
[packages]
include = ["app", "other"]
[kernel]
package = "linux-image-x"
"""


def test_the_commands_lock_and_check_a_definition(
    world: BuildWorld, archive: SmallArchive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "small"
    image.mkdir()
    (image / "image.toml").write_text(DEFINITION)
    call = ["lock", str(image), "--arch", "x86_64"]
    assert cli.run(call, world) == 0
    assert "app none -> 1" in capsys.readouterr().out
    assert cli.run([*call, "--check"], world) == 0
    archive.vanish("app", "1")
    assert cli.run([*call, "--check"], world) == OUTDATED
    assert capsys.readouterr().out == "small-x86_64: gone: app 1\n"


def test_what_apt_cannot_install_together_is_told_in_its_words(
    world: BuildWorld, archive: SmallArchive, tmp_path: Path
) -> None:
    archive.add("broken", depends="libapp (= 7)")
    request = PackageRequest("amd64", ("broken",))
    wanted = Wanted("broken", tmp_path / "broken.lock", request, "", {})
    with pytest.raises(InvalidInput, match=r"broken : Depends: libapp \(= 7\)"):
        imagelocks.refresh(wanted, world)
