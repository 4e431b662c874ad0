"""Writing files: whole, with their owner, and nowhere but where they belong."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostio.files.guardedtree import (
    ROOT,
    Entry,
    GuardedTree,
    Kind,
    Owner,
    Tree,
    parts_of,
)
from hostio.system.runner import Command, LocalRunner
from osmodel.faults import HostFailure, InvalidInput
from tests.fakes.ramtree import RamTree

ME = Owner(os.getuid(), os.getgid())
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="gives files away")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("etc", "var/home", "var/roothome", "run", "usr"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "home").symlink_to("var/home")
    (tmp_path / "root").symlink_to("var/roothome")
    return tmp_path


@pytest.fixture
def tree(root: Path) -> GuardedTree:
    return GuardedTree(root)


@pytest.fixture(params=["adapter", "fake"])
def either(request: pytest.FixtureRequest, root: Path) -> Tree:
    return GuardedTree(root) if request.param == "adapter" else RamTree()


def test_what_is_written_is_there(either: Tree) -> None:
    either.put("/etc/a/b", b"x", 0o640, ME)
    found = either.look("/etc/a/b")
    assert found is not None
    assert (found.kind, found.mode, found.owner) == (Kind.FILE, 0o640, ME)
    assert either.read("/etc/a/b", 9) == b"x"
    assert either.read("/etc/a/b", 0) == b""
    either.link("/etc/a/b", "/dev/null")
    assert either.look("/etc/a/b") == Entry(Kind.LINK, target="/dev/null", mode=0o777, owner=ME)
    assert either.read("/etc/a/c", 9) is None
    either.remove("/etc/a/b")
    either.remove("/etc/a/b")
    either.remove("/etc/nothing/there")
    assert either.look("/etc/a/b") is None
    assert either.look("/etc/nothing/there") is None


def test_equal_files_have_equal_entries(root: Path) -> None:
    real, fake = GuardedTree(root), RamTree()
    for one in (real, fake):
        one.put("/etc/a", b"content", 0o600, ME)
    assert real.look("/etc/a") == fake.look("/etc/a")
    assert real.entries("etc") == fake.entries("etc")


def test_a_directory_is_made_once(either: Tree) -> None:
    either.make_directory("/home/ada", 0o700, ME)
    either.make_directory("/home/ada", 0o755, ME)
    assert either.look("/home/ada") == Entry(Kind.DIRECTORY, mode=0o700, owner=ME)


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "etc/x", "/etc", "/etc/", "/etc//x", "/etc/../usr/x", "/etc/./x", "/usr/x",
        "/boot/x", "/proc/1/mem", "/etc/x\0y", "/etc/..", "/ETC/x",
    ],
)  # fmt: skip
def test_a_path_elsewhere_is_refused(either: Tree, path: str) -> None:
    with pytest.raises(InvalidInput):
        either.put(path, b"", 0o644, ME)
    with pytest.raises(InvalidInput):
        either.link(path, "x")
    with pytest.raises(InvalidInput):
        either.remove(path)
    with pytest.raises(InvalidInput):
        either.look(path)


def test_a_name_that_is_no_text_is_refused(tree: GuardedTree) -> None:
    with pytest.raises(InvalidInput, match="not a file name"):
        tree.put("/etc/\ud800", b"", 0o644, ME)


def test_the_images_own_links_are_followed(tree: GuardedTree, root: Path) -> None:
    tree.put("/home/a", b"x", 0o644, ME)
    tree.put("/root/.b", b"y", 0o644, ME)
    assert (root / "var/home/a").read_bytes() == b"x"
    assert (root / "var/roothome/.b").read_bytes() == b"y"


@AS_ROOT
@pytest.mark.parametrize("target", ["../../../etc", "/etc", "../../../usr"])
def test_a_users_link_leads_nowhere(tree: GuardedTree, root: Path, target: str) -> None:
    home = root / "var/home/eve"
    home.mkdir()
    (home / ".ssh").symlink_to(target)
    for path in (home, home / ".ssh"):
        os.chown(path, 1000, 1000, follow_symlinks=False)
    with pytest.raises(HostFailure):
        tree.put("/home/eve/.ssh/authorized_keys", b"", 0o600, ROOT)
    with pytest.raises(HostFailure):
        tree.remove("/home/eve/.ssh/passwd")
    assert list((root / "etc").iterdir()) == []


@AS_ROOT
def test_a_link_of_root_in_a_users_directory_leads_nowhere(tree: GuardedTree, root: Path) -> None:
    home = root / "var/home/eve"
    home.mkdir()
    (home / ".ssh").symlink_to("/etc")  # root's, as a hard link to one could be
    os.chown(home, 1000, 1000)
    with pytest.raises(HostFailure):
        tree.put("/home/eve/.ssh/authorized_keys", b"", 0o600, ROOT)


@AS_ROOT
def test_roots_link_to_an_allowed_tree_is_followed(tree: GuardedTree, root: Path) -> None:
    (root / "var/run").symlink_to("/run")
    (root / "etc/alternatives").symlink_to("deep/er")
    (root / "etc/deep/er").mkdir(parents=True)
    tree.put("/var/run/a", b"x", 0o644, ROOT)
    tree.put("/etc/alternatives/b", b"y", 0o644, ROOT)
    assert (root / "run/a").read_bytes() == b"x"
    assert (root / "etc/deep/er/b").read_bytes() == b"y"


@AS_ROOT
@pytest.mark.parametrize("target", ["/usr", "../usr", "../../../usr", "/", "loop"])
def test_roots_link_out_of_the_allowed_trees_is_not(
    tree: GuardedTree, root: Path, target: str
) -> None:
    (root / "etc/loop").symlink_to(target)
    with pytest.raises(InvalidInput):
        tree.put("/etc/loop/x", b"", 0o644, ROOT)
    assert list((root / "usr").iterdir()) == []


def test_a_link_in_the_place_of_a_file_is_replaced(tree: GuardedTree, root: Path) -> None:
    (root / "usr/kept").write_bytes(b"kept")
    (root / "etc/x").symlink_to(root / "usr/kept")
    tree.put("/etc/x", b"new", 0o644, ME)
    assert (root / "usr/kept").read_bytes() == b"kept"
    assert not (root / "etc/x").is_symlink()


def test_a_directory_in_the_place_of_a_file_is_left(tree: GuardedTree, root: Path) -> None:
    (root / "etc/x").mkdir()
    with pytest.raises(HostFailure, match=r"/etc/x: .*directory"):
        tree.put("/etc/x", b"", 0o644, ME)
    assert [path.name for path in (root / "etc").iterdir()] == ["x"], "no rests"


def test_a_pipe_in_the_place_of_a_file_holds_nobody_up(tree: GuardedTree, root: Path) -> None:
    os.mkfifo(root / "etc/x")
    assert tree.read("/etc/x", 10) is None
    found = tree.look("/etc/x")
    assert found is not None
    assert found.kind is Kind.OTHER
    tree.put("/etc/x", b"file", 0o644, ME)
    assert (root / "etc/x").read_bytes() == b"file"


def test_a_file_for_a_directory_is_an_error(tree: GuardedTree, root: Path) -> None:
    (root / "etc/x").write_bytes(b"")
    with pytest.raises(HostFailure):
        tree.put("/etc/x/y", b"", 0o644, ME)


@AS_ROOT
def test_made_directories_belong_to_their_parents_owner(tree: GuardedTree, root: Path) -> None:
    (root / "var/home/ada").mkdir()
    os.chown(root / "var/home/ada", 1000, 1001)
    tree.put("/home/ada/.config/app/settings", b"", 0o600, Owner(1000, 1001))
    for path in ("var/home/ada/.config", "var/home/ada/.config/app"):
        status = (root / path).stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1000, 1001, 0o755)


@AS_ROOT
def test_special_bits_survive_a_change_of_owner(tree: GuardedTree, root: Path) -> None:
    tree.put("/var/tool", b"", 0o6755, Owner(1000, 1000))
    assert stat.S_IMODE((root / "var/tool").stat().st_mode) == 0o6755


def test_the_umask_has_no_say(tree: GuardedTree, root: Path) -> None:
    before = os.umask(0o077)
    try:
        tree.put("/etc/new/x", b"", 0o666, ME)
    finally:
        os.umask(before)
    assert stat.S_IMODE((root / "etc/new/x").stat().st_mode) == 0o666
    assert stat.S_IMODE((root / "etc/new").stat().st_mode) == 0o755


def test_the_rest_of_a_cut_write_is_cleaned_up(tree: GuardedTree, root: Path) -> None:
    rest = root / "etc" / GuardedTree(root)._beside_name("x")
    rest.write_bytes(b"half")
    tree.put("/etc/x", b"1", 0o644, ME)
    assert [path.name for path in (root / "etc").iterdir()] == ["x"]
    rest.symlink_to(root / "usr/evil")
    tree.put("/etc/x", b"2", 0o644, ME)
    rest.write_bytes(b"half")
    tree.remove("/etc/x")
    assert list((root / "etc").iterdir()) == []
    assert list((root / "usr").iterdir()) == []


def test_a_long_name_is_no_longer_while_it_is_written(tree: GuardedTree, root: Path) -> None:
    name = "n" * 255
    tree.put(f"/etc/{name}", b"x", 0o644, ME)
    assert (root / "etc" / name).read_bytes() == b"x"


def test_all_entries_are_listed(tree: GuardedTree, root: Path) -> None:
    (root / "etc/d").mkdir()
    (root / "etc/d/file").write_bytes(b"")
    (root / "etc/d/link").symlink_to("/usr")
    assert sorted(tree.entries("etc")) == ["/etc/d/file", "/etc/d/link"]
    with pytest.raises(HostFailure):
        GuardedTree(root / "nowhere").look("/etc/x")


def test_descriptors_are_given_back(tree: GuardedTree) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(50):
        tree.put(f"/etc/a/b/{number}", b"", 0o644, ME)
        tree.look("/etc/none/none")
        with pytest.raises(HostFailure):
            tree.put(f"/etc/a/b/{number}/c/d", b"", 0o644, ME)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_parts_are_named() -> None:
    assert parts_of("/etc/a/b") == ("etc", "a", "b")


@pytest.fixture
def small(root: Path) -> Iterator[Path]:
    """A file system with hardly any room."""
    runner = LocalRunner()
    runner.run(Command(["mount", "-t", "tmpfs", "-o", "size=64k", "small", str(root / "etc")]))
    yield root
    runner.run(Command(["umount", str(root / "etc")]))


@AS_ROOT
def test_a_file_without_room_leaves_the_old_one(small: Path) -> None:
    tree = GuardedTree(small)
    tree.put("/etc/x", b"old", 0o600, ME)
    with pytest.raises(HostFailure, match="/etc/x: No space left on device"):
        tree.put("/etc/x", bytes(1 << 20), 0o600, ME)
    assert (small / "etc/x").read_bytes() == b"old"
    assert [path.name for path in (small / "etc").iterdir()] == ["x"]
    tree.put("/etc/x", b"new", 0o600, ME)
