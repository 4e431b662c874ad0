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


def rehashing(command: Command) -> bytes:
    folder = Path(command.argv[-1])
    for number, path in enumerate(sorted(folder.glob("*.pem"))):
        (folder / f"{number:08x}.0").symlink_to(path.name)
    return b""


def test_only_packages_that_are_there_get_stand_ins(tmp_path: Path) -> None:
    diversions.stand_in({"bash", "openssh-server"}, tmp_path)
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {f"etc/ssh/ssh_host_{kind}_key" for kind in ("rsa", "ecdsa", "ed25519")}


def test_stand_ins_make_way_for_the_packages_own_files(tmp_path: Path) -> None:
    names = {"ca-certificates", "libpython3.13-minimal"}
    root, scratch = tmp_path / "root", tmp_path / "scratch"
    scratch.mkdir()
    diversions.stand_in(names, root)
    files = {package(name): Path("/x.deb") for name in (*names, "bash")}
    diversions.settle(root, files, scratch, ScriptedRunner(dpkg_deb=unpacking))
    for name in diversions.excluded():
        assert (root / name.lstrip("/")).read_text() == "the real one"
    assert not any(scratch.iterdir())


def test_certificates_are_linked_as_their_package_does_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc/ssl/certs").mkdir(parents=True)
    write(root / "etc/ca-certificates.conf", "# list\nm/B (1), x.crt\n!m/no.crt\n\nm/a.crt\n")
    write(root / "usr/share/ca-certificates/m/B (1), x.crt", "B")
    write(root / "usr/share/ca-certificates/m/a.crt", "a\n")
    diversions.link_certificates(root, tmp_path / "s", ScriptedRunner(openssl=rehashing))
    certs = root / "etc/ssl/certs"
    assert (certs / "ca-certificates.crt").read_text() == "B\na\n"
    assert str((certs / "B_=1=__x.pem").readlink()) == "/usr/share/ca-certificates/m/B (1), x.crt"
    assert str((certs / "00000001.0").readlink()) == "a.pem"
    assert len(list(certs.iterdir())) == 5
