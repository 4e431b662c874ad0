"""Overlays: what is laid, with which permissions, and what is refused."""

import os
import stat
import struct
from pathlib import Path

import pytest

from builder.imagetoml import FileEntry
from builder.tree import filetable, overlaytree
from builder.tree.overlaytree import Overlay
from hostio.system.runner import Command, LocalRunner
from osmodel import filecapabilities
from osmodel.faults import InvalidInput

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="capabilities and owners take root")
NET_RAW = filecapabilities.encode("cap_net_raw=ep")


def write(path: Path, text: str = "", mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def laid(overlay: Overlay, top: Path) -> dict[str, int]:
    """The modes of all files and directories after laying ``overlay``."""
    root = top / "root"
    root.mkdir(exist_ok=True)
    overlaytree.merge(overlay, root)
    return {
        path.relative_to(root).as_posix(): stat.S_IMODE(path.lstat().st_mode)
        for path in root.rglob("*")
        if not path.is_symlink()
    }


def test_an_overlay_replaces_files_and_joins_directories(tmp_path: Path) -> None:
    root, overlay = tmp_path / "root", tmp_path / "overlay"
    write(root / "usr/lib/kept")
    write(root / "usr/lib/file", "old")
    write(overlay / "usr/lib/file", "new")
    write(overlay / "usr/bin/tool", mode=0o755)
    (overlay / "usr/lib/link").symlink_to("file")
    write(overlay / "usr/lib/__pycache__/x.pyc")
    modes = laid(Overlay(overlay, versioned=True), tmp_path)
    assert (root / "usr/lib/kept").exists()
    assert (root / "usr/lib/link").read_text() == "new"
    assert not (root / "usr/lib/__pycache__").exists()
    assert (modes["usr/lib/file"], modes["usr/bin/tool"]) == (0o644, 0o755)


def test_an_overlay_replaces_a_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    root, overlay = tmp_path / "root", tmp_path / "overlay"
    write(root / "usr/target", "kept")
    (root / "usr/link").symlink_to("target")
    write(overlay / "usr/link", "new")
    overlaytree.merge(Overlay(overlay), root)
    assert (root / "usr/target").read_text() == "kept"
    assert not (root / "usr/link").is_symlink()


@pytest.mark.parametrize("name", ["root/key", "home/a", "bin/x", "run/x", "file"])
def test_an_overlay_may_not_write_where_an_image_has_nothing(tmp_path: Path, name: str) -> None:
    write(tmp_path / "overlay" / name)
    with pytest.raises(InvalidInput, match="an image has nothing in"):
        overlaytree.merge(Overlay(tmp_path / "overlay"), tmp_path / "root")


def test_an_overlay_may_not_replace_a_directory(tmp_path: Path) -> None:
    write(tmp_path / "root/usr/lib/x/y")
    write(tmp_path / "overlay/usr/lib/x")
    with pytest.raises(InvalidInput, match="would replace a directory"):
        overlaytree.merge(Overlay(tmp_path / "overlay"), tmp_path / "root")


def test_a_special_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "overlay/etc").mkdir(parents=True)
    os.mkfifo(tmp_path / "overlay/etc/pipe")
    with pytest.raises(InvalidInput, match="not a file, directory or link"):
        overlaytree.digest(Overlay(tmp_path / "overlay"))


# --- an overlay that was named: as the file system has it ------------------------


def named(top: Path) -> Overlay:
    overlay = top / "overlay"
    for name, mode in {
        "etc/wireguard/wg0.conf": 0o600,
        "etc/sudoers.d/core": 0o440,
        "usr/bin/mysu": 0o4755,
        "usr/bin/shared": 0o2755,
        "usr/bin/tool": 0o755,
        "var/lib/drop/box": 0o644,
        "etc/plain": 0o644,
        "etc/of-a-host-with-groups": 0o664,
    }.items():
        write(overlay / name, mode=mode)
    (overlay / "etc/wireguard").chmod(0o700)
    (overlay / "var/lib/drop").chmod(0o1777)
    return Overlay(overlay)


def test_a_named_overlay_keeps_its_modes(tmp_path: Path) -> None:
    modes = laid(named(tmp_path), tmp_path)
    wanted = {
        "etc/wireguard": 0o700,
        "etc/wireguard/wg0.conf": 0o600,
        "etc/sudoers.d/core": 0o440,
        "usr/bin/mysu": 0o4755,
        "usr/bin/shared": 0o2755,
        "usr/bin/tool": 0o755,
        "var/lib/drop": 0o1777,
        "var/lib/drop/box": 0o644,
        "etc/plain": 0o644,
        "etc/of-a-host-with-groups": 0o644,
        "etc": 0o755,
    }
    assert {name: oct(modes[name]) for name in wanted} == {n: oct(m) for n, m in wanted.items()}


@AS_ROOT
def test_a_named_overlay_keeps_capabilities_and_drops_what_is_the_hosts(tmp_path: Path) -> None:
    program = write(tmp_path / "overlay/usr/bin/mycap", mode=0o755)
    os.setxattr(program, filecapabilities.XATTR, NET_RAW)
    os.setxattr(program, "trusted.overlay.origin", b"the host's")
    laid(Overlay(tmp_path / "overlay"), tmp_path)
    copy = tmp_path / "root/usr/bin/mycap"
    assert os.listxattr(copy) == [filecapabilities.XATTR]
    assert os.getxattr(copy, filecapabilities.XATTR) == NET_RAW


def test_a_mode_on_a_directory_of_the_image_counts(tmp_path: Path) -> None:
    (tmp_path / "root/etc/ssh").mkdir(parents=True)
    write(tmp_path / "overlay/etc/ssh/x")
    (tmp_path / "overlay/etc/ssh").chmod(0o700)
    write(tmp_path / "overlay/etc/plain")
    assert laid(Overlay(tmp_path / "overlay"), tmp_path)["etc/ssh"] == 0o700


def test_a_directory_of_the_image_keeps_its_mode_under_one_without_a_wish(tmp_path: Path) -> None:
    (tmp_path / "root/etc/private").mkdir(parents=True)
    (tmp_path / "root/etc/private").chmod(0o700)
    write(tmp_path / "overlay/etc/private/x")
    assert laid(Overlay(tmp_path / "overlay"), tmp_path)["etc/private"] == 0o700


@pytest.mark.parametrize("umask", [0o027, 0o077])
def test_a_named_overlay_that_hides_everything_is_refused(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        (tmp_path / "overlay/etc").mkdir(parents=True)
        (tmp_path / "overlay/etc/motd").write_text("for all, or for root alone?")
    finally:
        os.umask(before)
    with pytest.raises(InvalidInput, match="does not show which files are meant to be private"):
        overlaytree.digest(Overlay(tmp_path / "overlay"))


def test_a_private_file_that_is_replaced_stays_private(tmp_path: Path) -> None:
    write(tmp_path / "root/etc/shadow", "root:*:", mode=0o640)
    write(tmp_path / "root/usr/bin/su", mode=0o4755)
    write(tmp_path / "overlay/etc/shadow", "root:!:")
    write(tmp_path / "overlay/usr/bin/su", mode=0o755)
    modes = laid(Overlay(tmp_path / "overlay"), tmp_path)
    assert modes["etc/shadow"] == 0o640
    assert modes["usr/bin/su"] == 0o755, "another program does not inherit its rights"


def test_an_access_control_list_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "overlay/etc/x")
    # acl(5): owner, user 1, group, mask, others; each may read.
    rows = ((1, 2**32 - 1), (2, 1), (4, 2**32 - 1), (16, 2**32 - 1), (32, 2**32 - 1))
    entries = b"".join(struct.pack("<HHI", tag, 4, number) for tag, number in rows)
    os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + entries)
    with pytest.raises(InvalidInput, match=r"system\.posix_acl_access is not kept"):
        overlaytree.digest(Overlay(tmp_path / "overlay"))


def test_each_wish_is_part_of_the_digest(tmp_path: Path) -> None:
    overlay = named(tmp_path)
    seen = {overlaytree.digest(overlay)}
    (overlay.path / "etc/wireguard/wg0.conf").chmod(0o640)
    seen.add(overlaytree.digest(overlay))
    (overlay.path / "etc/wireguard").chmod(0o710)
    seen.add(overlaytree.digest(overlay))
    (overlay.path / "usr/bin/tool").chmod(0o644)
    seen.add(overlaytree.digest(overlay))
    assert len(seen) == 4


# --- the overlay of a definition: as a checkout has it ----------------------------


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o027, 0o077])
def test_every_checkout_of_a_definition_gives_the_same_bits(tmp_path: Path, umask: int) -> None:
    source = tmp_path / "source"
    write(source / "overlay/etc/conf", "x")
    write(source / "overlay/usr/bin/tool", "y", mode=0o755)
    run(source, "init", "-q")
    run(source, "add", ".")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    run(source, *identity, "commit", "-q", "-m", "x")
    before = os.umask(umask)
    try:
        run(tmp_path, "clone", "-q", "source", "copy")
    finally:
        os.umask(before)
    first, second = (
        Overlay(tmp_path / top / "overlay", versioned=True) for top in ("source", "copy")
    )
    assert overlaytree.digest(first) == overlaytree.digest(second)
    modes = laid(second, tmp_path)
    assert (modes["etc"], modes["etc/conf"], modes["usr/bin/tool"]) == (0o755, 0o644, 0o755)


def run(place: Path, *arguments: str) -> None:
    environment = {"HOME": str(place), "GIT_CONFIG_NOSYSTEM": "1"}
    LocalRunner().run(Command(["git", *arguments], cwd=place, env=environment))


def test_a_read_only_checkout_is_one_too(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay"
    write(overlay / "etc/conf", mode=0o444)
    write(overlay / "usr/bin/tool", mode=0o555)
    for path in ("usr/bin", "usr", "etc"):
        (overlay / path).chmod(0o555)
    modes = laid(Overlay(overlay, versioned=True), tmp_path)
    assert (modes["etc/conf"], modes["usr/bin/tool"], modes["usr/bin"]) == (0o644, 0o755, 0o755)


def test_a_checkout_below_a_directory_that_a_group_shares_is_one_too(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay"
    write(overlay / "etc/a/conf", mode=0o664)
    for path in ("etc/a", "etc"):
        (overlay / path).chmod(0o2775)
    assert laid(Overlay(overlay, versioned=True), tmp_path)["etc/a"] == 0o755


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o4755, 0o711])
def test_a_mode_that_no_checkout_keeps_is_refused_with_the_line_to_write(
    tmp_path: Path, mode: int
) -> None:
    write(tmp_path / "overlay/etc/key", mode=mode)
    with pytest.raises(InvalidInput, match=f"mode {mode:04o} is lost in a checkout") as caught:
        overlaytree.digest(Overlay(tmp_path / "overlay", versioned=True))
    assert f'[[files]] path = "/etc/key", mode = "{mode:04o}"' in caught.value.hint


def test_a_mode_that_the_definition_says_is_not_refused(tmp_path: Path) -> None:
    write(tmp_path / "overlay/etc/key", mode=0o600)
    entry = FileEntry("/etc/key", mode="0600")
    overlay = Overlay(tmp_path / "overlay", versioned=True, settled=filetable.settled([entry]))
    laid(overlay, tmp_path)
    filetable.apply(tmp_path / "root", [entry])
    assert (tmp_path / "root/etc/key").stat().st_mode & 0o7777 == 0o600


@AS_ROOT
def test_capabilities_need_more_than_a_mode_in_the_definition(tmp_path: Path) -> None:
    os.setxattr(write(tmp_path / "overlay/usr/bin/x", mode=0o755), filecapabilities.XATTR, NET_RAW)
    said = filetable.settled([FileEntry("/usr/bin/x", mode="0755")])
    with pytest.raises(InvalidInput, match=r"security\.capability is lost in a checkout"):
        overlaytree.digest(Overlay(tmp_path / "overlay", versioned=True, settled=said))


# --- the table of a definition ----------------------------------------------------


@AS_ROOT
def test_the_table_gives_owner_mode_capabilities_and_attributes(tmp_path: Path) -> None:
    write(tmp_path / "etc/passwd", "root:x:0:0::/:/bin/sh\netcd:x:980:980::/:/bin/sh\n")
    write(tmp_path / "etc/group", "root:x:0:\nadm:x:4:\n")
    program = write(tmp_path / "usr/bin/x", mode=0o755)
    wish = FileEntry(
        "/usr/bin/x",
        mode="2750",
        owner="etcd",
        group="4",
        capabilities="cap_net_raw=ep",
        xattrs={"user.note": "y"},
    )
    filetable.apply(tmp_path, [FileEntry("/usr/bin/x", mode="0700"), wish])
    status = program.stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o2750, 980, 4)
    assert os.getxattr(program, filecapabilities.XATTR) == NET_RAW
    assert os.getxattr(program, "user.note") == b"y"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (FileEntry("/etc/gone"), "/etc/gone: No such file or directory"),
        (FileEntry("/etc/x", owner="who"), "no 'who' in the image's /etc/passwd"),
        (FileEntry("/etc/x", group="who"), "no 'who' in the image's /etc/group"),
        (FileEntry("/etc/link"), "not a file or directory"),
        (FileEntry("/etc/away/x"), "leads through a link"),
    ],
)
def test_a_wish_for_what_is_not_there_is_refused(
    tmp_path: Path, entry: FileEntry, message: str
) -> None:
    for name in ("etc/passwd", "etc/group", "etc/x", "usr/x"):
        write(tmp_path / name)
    (tmp_path / "etc/link").symlink_to("x")
    (tmp_path / "etc/away").symlink_to("../usr")
    with pytest.raises(InvalidInput, match=message):
        filetable.apply(tmp_path, [entry])
