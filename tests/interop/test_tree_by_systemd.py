"""Accounts, units and state of a tree, made by systemd's own programs.

The same programs read these files on a machine; here they work on a small root.
"""

import os
from pathlib import Path

import pytest

from builder.tree import factory, sysusers, units
from hostio.system.runner import Runner
from osmodel.faults import InvalidInput
from tests.interop.pinnedtools import tools_tree

pytestmark = [
    pytest.mark.interop,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="making a root tree takes root"),
]

PASSWD = 'root:x:0:0:root:/root:/bin/bash\netcd:x:980:980:The "store":/var/lib/etcd:/bin/sh\n'
GROUP = "root:x:0:\nadm:x:4:core,etcd\nkvm:x:992:\netcd:x:980:\n"


def write(path: Path, text: str | bytes = "", mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    top = tmp_path / "root"
    core = "core:x:1000:1000::/home/core:/bin/bash\n"
    write(top / "etc/passwd", PASSWD + core)
    write(top / "etc/group", GROUP + "core:x:1000:\n")
    write(top / "etc/shadow", "root:!*:1::::::\netcd:!*:1::::::\ncore:!*:1::::::\n", 0o640)
    write(top / "etc/gshadow", "root:*::\nadm:*::core,etcd\nkvm:!::\netcd:!::\ncore:!::\n", 0o640)
    (top / "var").mkdir()
    (top / "usr/lib/systemd/system").mkdir(parents=True)
    return top


@pytest.fixture
def tools(tmp_path: Path) -> Runner:
    return tools_tree().runner([tmp_path])


def accounts_of(root: Path, file: str = "passwd") -> dict[str, str]:
    rows = (line.split(":") for line in (root / "etc" / file).read_text().splitlines())
    return {row[0]: row[2] for row in rows}


# --- accounts ---------------------------------------------------------------------


def declared(root: Path, tools: Runner, text: str = "") -> Path:
    if text:
        write(root / "usr/lib/sysusers.d/overlay.conf", text)
    sysusers.declare(root, root.parent / "scratch", tools)
    return root


def test_an_older_machine_gets_every_account_with_its_number_and_says_nothing(
    root: Path, tools: Runner, tmp_path: Path
) -> None:
    declared(root, tools, 'u app 250 "An App" /var/lib/app\nm app adm\n')
    machine = tmp_path / "machine"
    write(machine / "etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
    write(machine / "etc/group", "root:x:0:\nadm:x:4:\n")
    for file in ("shadow", "gshadow"):
        write(machine / "etc" / file, "root:*:1::::::\n" if file == "shadow" else "root:*::\n")
    for path in (root / sysusers.DIRECTORY).iterdir():
        write(machine / sysusers.DIRECTORY / path.name, path.read_text())
    sysusers.take_over(machine, tools)  # refuses whatever systemd-sysusers complains of
    assert accounts_of(machine) == accounts_of(root)
    assert accounts_of(machine, "group") == accounts_of(root, "group")
    rows = (machine / "etc/passwd").read_text()
    assert 'etcd:x:980:980:The "store":/var/lib/etcd:/bin/sh' in rows
    # Membership of services comes along; people stay where the machine has them.
    assert "adm:x:4:app,etcd" in (machine / "etc/group").read_text()


def test_an_account_of_an_overlay_with_a_number_is_the_images(root: Path, tools: Runner) -> None:
    declared(root, tools, "u app 250\n")
    assert accounts_of(root)["app"] == accounts_of(root, "group")["app"] == "250"
    assert "app:!*:1::::::" in (root / "etc/shadow").read_text(), "not the day of the build"
    assert (root / "etc/shadow").stat().st_mode & 0o777 == 0o640


def test_an_account_without_a_number_is_for_each_machine_to_pick(root: Path, tools: Runner) -> None:
    before = {file: accounts_of(root, file) for file in ("passwd", "group")}
    declared(root, tools, "u app -\nm app adm\n")
    assert {file: accounts_of(root, file) for file in ("passwd", "group")} == before
    assert "app" not in (root / "etc/group").read_text()
    # Where a machine would have it, for rules that name it.
    assert "app" in accounts_of(root.parent / "scratch")


def test_a_machine_picks_from_numbers_that_no_image_hands_out(root: Path, tools: Runner) -> None:
    declared(root, tools, "u app -\n")
    sysusers.take_over(root, tools)  # as the machine's first boot does
    assert 300 <= int(accounts_of(root)["app"]) <= 899


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("u app 500\n", "'app' has number 500, not one of an image's"),
        ("g apps 1001\n", "'apps' has number 1001, not one of an image's"),
        ("u app 980\n", "Suggested user ID 980 for app already used"),
        ("u etcd -\n", "Conflict with earlier configuration for user 'etcd'"),
        ("u app 250:251\n", "please create GID 251"),
        ("nonsense\n", "overlay.conf:1: "),
        ('u app 250 "unbalanced\n', "overlay.conf:1: "),
    ],
)
def test_a_declaration_that_would_go_wrong_at_boot_is_refused(
    root: Path, tools: Runner, text: str, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        declared(root, tools, text)


def test_what_packages_declare_is_made_and_then_said_once(root: Path, tools: Runner) -> None:
    write(root / "usr/lib/sysusers.d/basic.conf", "g adm 4 -\n")
    write(root / "usr/lib/sysusers.d/some.conf", 'u some - "Some Service"\n')
    sysusers.take_over(root, tools)
    assert "some" in accounts_of(root)
    assert [path.name for path in (root / sysusers.DIRECTORY).iterdir()] == ["basic.conf"]
    assert not (root / "etc/passwd-").exists()


# --- units ------------------------------------------------------------------------

UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"


@pytest.fixture
def overlay(root: Path) -> Path:
    """Units of packages in the root, and an empty overlay."""
    for name in ("a.service", "b.service", "worker@.service"):
        write(root / "usr/lib/systemd/system" / name, UNIT)
    write(root / "usr/lib/systemd/system-preset/80-rest.preset", "disable *\n")
    (root.parent / "overlay").mkdir()
    return root.parent / "overlay"


def enabled(root: Path, overlay: Path, tools: Runner) -> set[str]:
    """Lay the overlay (a copy is enough here) and apply what it says."""
    for path in sorted(overlay.rglob("*")):
        target = root / path.relative_to(overlay)
        if path.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path.readlink())
        elif path.is_file():
            write(target, path.read_text())
    units.enable(root, [overlay], tools)
    return {path.name for path in (root / "etc/systemd/system").glob("*.wants/*")}


def preset(overlay: Path, text: str) -> None:
    write(overlay / "usr/lib/systemd/system-preset/20-mine.preset", text)


def link(overlay: Path, name: str, target: str) -> None:
    path = overlay / "etc/systemd/system" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def test_presets_have_comments_tabs_globs_and_instances(
    root: Path, overlay: Path, tools: Runner
) -> None:
    preset(overlay, "# one\n; two\n\nenable\ta*.service\n  enable worker@.service one two\n")
    assert enabled(root, overlay, tools) == {
        "a.service",
        "worker@one.service",
        "worker@two.service",
    }


def test_a_unit_of_the_overlay_in_etc_can_be_enabled(
    root: Path, overlay: Path, tools: Runner
) -> None:
    write(overlay / "etc/systemd/system/mine.service", UNIT)
    preset(overlay, "enable mine.service\n")
    assert enabled(root, overlay, tools) == {"mine.service"}


def test_links_of_an_overlay_outlive_the_presets(root: Path, overlay: Path, tools: Runner) -> None:
    write(overlay / "etc/systemd/system/mine.service", UNIT)
    link(overlay, "multi-user.target.wants/mine.service", "../mine.service")
    link(overlay, "multi-user.target.wants/b.service", "/usr/lib/systemd/system/b.service")
    template = "/usr/lib/systemd/system/worker@.service"
    link(overlay, "multi-user.target.wants/worker@x.service", template)
    link(overlay, "a.service", "/dev/null")
    link(overlay, "other-name.service", "/usr/lib/systemd/system/b.service")
    preset(overlay, "enable a.service\n")
    assert enabled(root, overlay, tools) == {"mine.service", "b.service", "worker@x.service"}
    assert (root / "etc/systemd/system/a.service").readlink() == Path("/dev/null")
    assert (root / "etc/systemd/system/other-name.service").is_symlink()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("enable a.servcie\n", r"20-mine\.preset:1: no such unit: 'a\.servcie'"),
        ("\nenable x*\n", r"20-mine\.preset:2: no such unit: 'x\*'"),
        ("enable a.service one\n", "only a template has instances"),
        ("enabel a.service\n", "not a rule of a preset"),
        ("enable\n", "not a rule of a preset"),
    ],
)
def test_a_preset_that_would_do_nothing_is_refused(
    root: Path, overlay: Path, tools: Runner, text: str, message: str
) -> None:
    preset(overlay, text)
    with pytest.raises(InvalidInput, match=message):
        enabled(root, overlay, tools)


@pytest.mark.parametrize("name", ["multi-user.target.wants/gone.service", "alias.service"])
def test_a_link_to_a_unit_that_is_not_there_is_refused(
    root: Path, overlay: Path, tools: Runner, name: str
) -> None:
    link(overlay, name, "/usr/lib/systemd/system/gone.service")
    with pytest.raises(InvalidInput, match="no such unit"):
        enabled(root, overlay, tools)


# --- state ------------------------------------------------------------------------

NAMES = (
    "plain name.conf",
    "100%Natural.conf",
    "it's mine.conf",
    'say "hi".conf',
    "back\\slash.conf",
    "tab\ttab.conf",
    "new\nline.conf",
    "%b%m.conf",
    "Ümlaut-日本.conf",
    os.fsdecode(b"latin-\xfc.conf"),
    " leading and trailing ",
    "#comment",
)


def moved(root: Path, tools: Runner) -> Path:
    sysusers.declare(root, root.parent / "scratch", tools)
    factory.move_state(root, root.parent / "scratch", tools)
    return root.parent / "scratch"


def test_a_first_boot_makes_files_whatever_their_names_are(root: Path, tools: Runner) -> None:
    for name in NAMES:
        write(root / "var/lib/app one" / name, name.encode(errors="surrogateescape"), 0o640)
    (root / "var/lib/app one/link").symlink_to("/usr/share/app/100%h \"x\" 'y' \\z\t")
    (root / "var/lib/app one").chmod(0o2750)
    os.chown(root / "var/lib/app one", 980, 4)
    made = moved(root, tools) / "var/lib/app one"
    assert {path.name for path in made.iterdir()} == {*NAMES, "link"}
    for name in NAMES:
        assert (made / name).read_bytes() == name.encode(errors="surrogateescape")
        assert (made / name).stat().st_mode & 0o7777 == 0o640
    assert str((made / "link").readlink()) == "/usr/share/app/100%h \"x\" 'y' \\z\t"
    status = made.stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o2750, 980, 4)
    assert list((root / "var").iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        b"d\t/var/lib/app\t0750\troot\troot\t-\n",
        b"d   /var/lib/app   0750 root root -\n",
        b"# f\xfcr app\nd /var/lib/app 0750 root root -\n",
        b'd "/var/lib/app" 0750 0 0\n',
        b"d /var/lib/\\x61pp 0750\n",
        b"d= /var/lib/app/ 0750\n",
    ],
)
def test_what_a_rule_makes_gets_no_second_one(root: Path, tools: Runner, text: bytes) -> None:
    write(root / "usr/lib/tmpfiles.d/app.conf", text)
    (root / "var/lib/app").mkdir(parents=True)
    made = moved(root, tools)
    assert not (root / factory.RULES).exists()
    assert (made / "var/lib/app").stat().st_mode & 0o777 == 0o750


def test_a_private_directory_stays_so_where_a_rule_makes_what_is_in_it(
    root: Path, tools: Runner
) -> None:
    write(root / "usr/lib/tmpfiles.d/app.conf", "d /var/lib/secret/inside 0755\n")
    (root / "var/lib/secret").mkdir(parents=True)
    (root / "var/lib/secret").chmod(0o700)
    assert (moved(root, tools) / "var/lib/secret").stat().st_mode & 0o777 == 0o700


def test_a_rule_may_name_an_account_that_each_machine_picks(root: Path, tools: Runner) -> None:
    write(root / "usr/lib/sysusers.d/app.conf", "u app -\n")
    write(root / "usr/lib/tmpfiles.d/app.conf", "d /var/lib/app 0750 app app -\n")
    assert (moved(root, tools) / "var/lib/app").stat().st_uid >= 30000


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("nonsense", "app.conf:1"),
        ("d /var/lib/app 0750 nosuch", "Failed to resolve user 'nosuch'"),
        (
            "f /var/lib/file - - - - other",
            "var/lib/file: a rule in tmpfiles.d makes something else",
        ),
        ("d /var/lib/file", "var/lib/file: a rule in tmpfiles.d makes something else"),
        ("z /var/lib/file 0644", "mode 0644 at boot, more than 0600"),
    ],
)
def test_a_rule_that_goes_wrong_is_refused(
    root: Path, tools: Runner, rule: str, message: str
) -> None:
    write(root / "usr/lib/tmpfiles.d/app.conf", f"{rule}\n")
    write(root / "var/lib/file", "mine", 0o600)
    with pytest.raises(InvalidInput, match=message):
        moved(root, tools)


def test_an_attribute_that_no_rule_makes_is_refused(root: Path, tools: Runner) -> None:
    os.setxattr(write(root / "var/lib/x"), "user.note", b"y")
    with pytest.raises(InvalidInput, match="made at boot, without attributes"):
        moved(root, tools)
