"""What becomes of a Debian tree on its way into an image."""

from pathlib import Path

import pytest

from builder import identity
from builder.boot import kernel
from builder.identity import Identity
from builder.imagetoml import IdsTable
from builder.tree import accounts, programs, roottree, stripping
from hostio.system.runner import Command
from osmodel.faults import InvalidInput
from osmodel.kernelmodules import parse_index
from tests.fakes.runner import ScriptedRunner


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# --- accounts ---------------------------------------------------------------

IDS = IdsTable({"etcd": 980, "sshd": 989}, {"kvm": 992}, ("sshd",))


def with_accounts(root: Path, passwd: str = "", group: str = "") -> Path:
    seeds = accounts.seeds(IDS)
    write(root / "etc/passwd", "root:x:0:0::/root:/bin/bash\n" + seeds["passwd"] + passwd)
    write(root / "etc/group", "root:x:0:\nadm:x:4:\nusers:x:100:\n" + seeds["group"] + group)
    write(root / "etc/shadow", "root:*:20000:0:99999:7:::\netcd:!:20001::::::\n")
    write(root / "etc/gshadow", "root:*::\n")
    write(root / "etc/shadow-", "old")
    return root


def test_the_accounts_of_a_definition_have_their_numbers(tmp_path: Path) -> None:
    root = with_accounts(tmp_path)
    accounts.check(root, IDS)
    assert "sshd:x:989:65534::/nonexistent:/usr/sbin/nologin" in (root / "etc/passwd").read_text()


@pytest.mark.parametrize(
    ("passwd", "group", "message"),
    [
        ("new:x:101:101::/:/bin/sh\n", "", "ids.users: 'new' got number 101"),
        ("", "new:x:101:\n", "ids.groups: 'new' got number 101"),
        ("", "kvm:x:105:\n", "ids.groups: 'kvm' got number 105"),
    ],
)
def test_a_number_that_nothing_keeps_fails_the_build(
    tmp_path: Path, passwd: str, group: str, message: str
) -> None:
    root = with_accounts(tmp_path, passwd, group)
    with pytest.raises(InvalidInput, match=message) as caught:
        accounts.check(root, IDS)
    assert "[ids." in caught.value.hint


def test_nobody_can_log_in_by_password(tmp_path: Path) -> None:
    root = with_accounts(tmp_path)
    accounts.lock_passwords(root)
    accounts.add_login_user(root)
    rows = [line.split(":") for line in (root / "etc/shadow").read_text().splitlines()]
    assert {row[0]: row[1:3] for row in rows} == {
        name: ["!*", "1"] for name in ("root", "etcd", "core")
    }
    assert not (root / "etc/shadow-").exists()


LOGIN_DEFS = "UID_MIN\t 1000\nUMASK 022\n#SYS_UID_MIN 100\nSYS_UID_MAX\t999\n"


def test_a_machine_makes_accounts_with_numbers_that_no_image_hands_out(tmp_path: Path) -> None:
    path = write(tmp_path / "etc/login.defs", LOGIN_DEFS)
    accounts.set_ranges(tmp_path)
    said = dict(line.split() for line in path.read_text().splitlines() if line[:1].isalpha())
    assert (said["SYS_UID_MIN"], said["SYS_UID_MAX"]) == ("300", "899")
    assert (said["SYS_GID_MIN"], said["SYS_GID_MAX"]) == ("300", "899")
    assert (said["UID_MIN"], said["GID_MIN"]) == ("1001", "1001")
    assert said["UMASK"] == "022"
    accounts.check_ranges(tmp_path)


@pytest.mark.parametrize("line", ["SYS_UID_MAX 999", "SYS_GID_MIN 100", "UID_MIN 1000", "GID_MIN"])
def test_an_overlay_may_not_let_machines_take_numbers_of_images(tmp_path: Path, line: str) -> None:
    path = write(tmp_path / "etc/login.defs")
    accounts.set_ranges(tmp_path)
    with path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(InvalidInput, match="must be within"):
        accounts.check_ranges(tmp_path)


# --- taking out -------------------------------------------------------------


def installed(root: Path, **packages: list[str]) -> Path:
    for package, files in packages.items():
        write(
            root / f"var/lib/dpkg/info/{package}.list",
            "".join(f"{line}\n" for line in ["/.", "/usr", *files]),
        )
    for name in ("usr/bin", "usr/sbin", "usr/lib", "etc/alternatives"):
        (root / name).mkdir(parents=True, exist_ok=True)
    return root


def test_a_removed_package_leaves_with_its_empty_directories(tmp_path: Path) -> None:
    root = installed(
        tmp_path,
        apt=["/usr/lib/apt", "/usr/lib/apt/x", "/usr/lib/shared", "/usr/lib/shared/f"],
        bash=["/usr/lib/shared", "/usr/lib/shared/f"],
    )
    write(root / "usr/lib/apt/x")
    write(root / "usr/lib/shared/f")
    stripping.strip(root, ["apt"])
    assert not (root / "usr/lib/apt").exists()
    assert (root / "usr/lib/shared/f").exists()
    assert not (root / "var/lib/dpkg").exists()


def test_removing_a_package_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"packages\.remove: 'atp' is not installed"):
        stripping.strip(installed(tmp_path, apt=[]), ["atp"])


def test_alternatives_become_plain_links(tmp_path: Path) -> None:
    root = installed(tmp_path, mawk=[])
    write(root / "usr/bin/mawk")
    (root / "etc/alternatives/awk").symlink_to("/usr/bin/mawk")
    (root / "etc/alternatives/gone").symlink_to("/usr/bin/gone")
    (root / "usr/bin/awk").symlink_to("/etc/alternatives/awk")
    (root / "usr/bin/gone").symlink_to("/etc/alternatives/gone")
    stripping.strip(root, [])
    assert (root / "usr/bin/awk").readlink() == Path("mawk")
    assert not (root / "usr/bin/gone").is_symlink()
    assert not (root / "etc/alternatives").exists()


@pytest.mark.parametrize(
    "name",
    [
        "etc/ssh/ssh_host_ed25519_key",
        "etc/hostname",
        "etc/machine-id",
        "etc/apt/sources.list",
        "usr/share/doc/x/copyright",
        "usr/lib/python3/dist-packages/__pycache__/x.pyc",
        "usr/lib/systemd/system/sysinit.target.wants/ldconfig.service",
        "usr/lib/systemd/system/rc-local.service.d/debian.conf",
        "boot/vmlinuz-1",
        "root/.bashrc",
        "var/log/dpkg.log",
    ],
)
def test_what_is_of_the_build_host_or_of_no_use_is_gone(tmp_path: Path, name: str) -> None:
    write(installed(tmp_path, bash=[]) / name)
    stripping.strip(tmp_path, [])
    assert not (tmp_path / name).exists()


def test_a_link_goes_wherever_it_leads_on_this_host(tmp_path: Path) -> None:
    root = installed(tmp_path, openssh=[])
    away = root / "etc/ssh/ssh_config.d/20-systemd-ssh-proxy.conf"
    wanted = root / "usr/lib/systemd/system/sysinit.target.wants/ldconfig.service"
    outside = write(tmp_path / "of the host/kept")
    for path in (away, wanted):
        path.parent.mkdir(parents=True)
        path.symlink_to("/usr/lib/nowhere/on/any/host")
    (root / "run").symlink_to(outside.parent)
    stripping.strip(root, [])
    assert not away.is_symlink()
    assert not wanted.is_symlink()
    assert outside.exists()


# --- kernel -----------------------------------------------------------------


def unpack(out: Path, leave_out: list[str]) -> Path:
    def dpkg_deb(_: Command) -> bytes:
        modules = out / "package/usr/lib/modules/6.1/kernel"
        write(modules / "fs/a.ko")
        write(modules / "net/b.ko")
        write(out / "package/boot/vmlinuz-6.1", "kernel")
        return b""

    def depmod(_: Command) -> bytes:
        index = "kernel/fs/a.ko:\nkernel/net/b.ko: kernel/fs/a.ko\n"
        write(out / "root/usr/lib/modules/6.1/modules.dep", index)
        return b""

    out.mkdir(exist_ok=True)
    tools = ScriptedRunner(dpkg_deb=dpkg_deb, depmod=depmod)
    kernel.unpack({"linux-image": Path("x.deb")}, kernel.ModuleChoice(leave_out), tools, out)
    return out


def test_the_kernel_is_taken_apart_without_its_scripts(tmp_path: Path) -> None:
    out = unpack(tmp_path / "k", ["net"])
    assert (out / "vmlinuz").read_text() == "kernel"
    assert kernel.release_of(out) == "6.1"
    assert not (out / "root/usr/lib/modules/6.1/kernel/net").exists()
    assert not (out / "package").exists()


def test_a_module_that_another_needs_stays_with_it(tmp_path: Path) -> None:
    out = unpack(tmp_path / "k", ["fs"])
    assert (out / "root/usr/lib/modules/6.1/kernel/fs/a.ko").exists()


MODULES = "kernel/fs/a.ko:\nkernel/net/b.ko: kernel/fs/a.ko\nkernel/net/x/c.ko:\n"


@pytest.mark.parametrize(
    ("leave_out", "keep", "leaving"),
    [
        (["net"], [], ["kernel/net/b.ko", "kernel/net/x/c.ko"]),
        (["net"], ["net/x"], ["kernel/net/b.ko"]),
        (["net"], ["net/b.ko"], ["kernel/net/x/c.ko"]),
        (["fs", "net"], [], ["kernel/fs/a.ko", "kernel/net/b.ko", "kernel/net/x/c.ko"]),
        (["fs", "net"], ["net/b.ko"], ["kernel/net/x/c.ko"]),
        (["ne"], [], []),
    ],
)
def test_what_leaves_was_named_is_not_kept_and_needed_by_none(
    leave_out: list[str], keep: list[str], leaving: list[str]
) -> None:
    choice = kernel.ModuleChoice(leave_out, keep)
    assert list(kernel.left_out(parse_index(MODULES), choice)) == leaving


def test_a_misspelt_directory_of_modules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no module or directory of modules: 'nte'"):
        unpack(tmp_path / "k", ["nte"])


# --- identity and programs --------------------------------------------------


def test_an_image_says_who_it_is_in_each_place(tmp_path: Path) -> None:
    trust = write(tmp_path / "root.json", "{}")
    who = Identity("node", "x86_64", "uefi", "1.2.3", "http://u.example/", trust)
    identity.write(tmp_path, who)
    release = (tmp_path / "usr/lib/os-release").read_text()
    assert 'ID="twinkeel"\n' in release
    assert 'IMAGE_VERSION="1.2.3"\n' in release
    assert 'ARCHITECTURE="x86-64"\n' in release
    assert (tmp_path / "usr/lib/twinkeel/trust/root.json").read_text() == "{}"
    config = tmp_path / "usr/lib/update-engine/config.d/10-image.toml"
    assert config.read_text() == '[repository]\nurl = "http://u.example/"\n'


def test_a_launcher_is_isolated_from_the_users_environment() -> None:
    lines = programs.launcher("update_engine.cli:main").splitlines()
    assert lines[0] == "#!/usr/bin/python3 -I"
    assert lines[-1] == "sys.exit(main())"


def test_programs_look_the_same_whatever_the_checkout_allows(tmp_path: Path) -> None:
    for name in programs.PACKAGES:
        write(tmp_path / "src" / name / "core/x.py").chmod(0o664)
        (tmp_path / "src" / name / "core").chmod(0o775)
    programs.install(tmp_path / "root", sources=tmp_path / "src")
    installed_package = tmp_path / "root" / programs.HOME / "osmodel"
    assert (installed_package / "core").stat().st_mode & 0o7777 == 0o755
    assert (installed_package / "core/x.py").stat().st_mode & 0o7777 == 0o644


def test_every_file_has_the_same_age(tmp_path: Path) -> None:
    write(tmp_path / "a/b")
    (tmp_path / "link").symlink_to("nowhere")
    roottree.set_times(tmp_path, 5)
    assert {path.lstat().st_mtime for path in (tmp_path, *tmp_path.rglob("*"))} == {5.0}
