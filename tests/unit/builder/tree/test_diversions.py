"""Work of package scripts that is done once, and not by them."""

from pathlib import Path

from builder.packages.lock import Archive, LockedPackage
from builder.tree import diversions
from hostio.system.runner import Command
from tests.fakes.runner import ScriptedRunner


def package(name: str) -> LockedPackage:
    path = f"pool/main/x/{name}/{name}_1_all.deb"
    return LockedPackage(name, "1", "all", 10, "ab" * 32, Archive.MAIN, path)


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def unpacking(command: Command) -> bytes:
    for name in diversions.excluded():
        write(Path(command.argv[-1]) / name.lstrip("/"), "the real one")
    return b""


def test_only_packages_that_are_there_are_diverted(tmp_path: Path) -> None:
    diversions.divert({"bash", "openssh-server"}, tmp_path)
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {f"etc/ssh/ssh_host_{kind}_key" for kind in ("rsa", "ecdsa", "ed25519")}


def test_diversions_make_way_for_the_packages_own_files(tmp_path: Path) -> None:
    names = {"ca-certificates", "libpython3.13-minimal"}
    root, scratch = tmp_path / "root", tmp_path / "scratch"
    scratch.mkdir()
    diversions.divert(names, root)
    files = {package(name): Path("/x.deb") for name in (*names, "bash")}
    diversions.undo(root, files, scratch, ScriptedRunner(dpkg_deb=unpacking))
    for name in diversions.excluded():
        assert (root / name.lstrip("/")).read_text() == "the real one"
    assert not any(scratch.iterdir())
