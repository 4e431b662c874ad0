"""The program of a built image configures that image's own root tree.

The tree is mounted as on a machine: read-only, its /etc below an overlay, /var
of its own. useradd, mkfs, blkid and systemctl are the image's; only
systemd-run is replaced, since no manager runs in the box.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from builder import definition, local, pipeline
from builder.request import BuildRequest
from hostio.system.runner import Command, LocalRunner
from osmodel.version import Version
from tests.checkout import ROOT
from tests.fakes.report import KeptReport

RUNNER = LocalRunner()
IMAGE = ROOT / "images/minimal"
MIB = 1 << 20
HASH = "$6$saltsalt$" + "h" * 86
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"

pytestmark = [
    pytest.mark.interop,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="making and mounting a root tree takes root"),
]

MOUNT = """
set -e
cd "$BOX"
mount --bind "$TREE" root
mount -t overlay etc root/etc -o \
  "lowerdir=$TREE/etc,upperdir=upper,workdir=work,index=off,metacopy=off,redirect_dir=off"
mount --bind var root/var
mount --bind run root/run
mount -t proc proc root/proc
mount --rbind /dev root/dev
mount -t tmpfs tmp root/tmp
mount --bind systemd-run root/usr/bin/systemd-run
mount -o remount,bind,ro root
chroot root "$@"
exit $?  # no exec: systemctl knows a chroot by process 1 having another root
"""
APART = ("unshare", "--mount", "--uts", "--pid", "--fork", "--propagation=private")

FIRST = f"""#cloud-config
hostname: web-1
timezone: Europe/Berlin
manage_etc_hosts: localhost
ssh_authorized_keys: ["{KEY} me"]
users:
  - name: ada
    gecos: Ada; $(reboot)
    passwd: {HASH}
    groups: [sudo, adm, docker]
    ssh_authorized_keys: ["{KEY} ada"]
  - name: app
    system: true
    no_create_home: true
write_files:
  - {{path: /etc/app/settings, content: "top secret", permissions: "0640", owner: "root:ada"}}
  - {{path: /home/ada/.config/app/x, content: x, owner: "ada:ada"}}
  - {{path: /usr/bin/evil, content: x}}
coreos:
  units:
    - name: web.service
      enable: true
      command: start
      content: |
        [Service]
        ExecStart=/bin/true
        [Install]
        WantedBy=multi-user.target
    - {{name: systemd-timesyncd.service, mask: true}}
"""
SECOND = f"""#cloud-config
hostname: web-2
users: [{{name: ada, ssh_authorized_keys: ["{KEY} other"]}}]
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root tree of the image, with the programs of this checkout."""
    image, out = definition.load(IMAGE), tmp_path_factory.mktemp("out")
    request = BuildRequest(image, Version.parse("1.0.0"), out, with_payload=False)
    return pipeline.build(request, local.build_world(), KeptReport(), only="root") / "root"


@dataclass
class Box:
    """A machine's disk as directories, and the image it runs."""

    place: Path
    tree: Path

    def make(self) -> None:
        for name in ("root", "upper", "work", "var", "run"):
            (self.place / name).mkdir()
        log = self.place / "systemd-run"
        log.write_text('#!/bin/sh\necho "$*" >>/run/started\nfor one; do :; done\n"$one"\n')
        log.chmod(0o755)
        (self.place / "upper/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
        self.run("systemd-tmpfiles", "--create", "--prefix=/var")

    def run(self, *words: str, timeout: float = 120.0) -> str:
        box = {"BOX": str(self.place), "TREE": str(self.tree), "SYSTEMD_LOG_LEVEL": "err"}
        argv = [*APART, "--", "/bin/sh", "-c", MOUNT, "sh", *words]
        return RUNNER.run(Command(argv, env=box, timeout=timeout)).decode()

    def apply(self, document: str, *words: str) -> dict[str, Any]:
        (self.place / "run/document").write_text(document)
        line = f"cloud-config apply --json {' '.join(words)} /run/document; true"
        report = json.loads(self.run("/bin/sh", "-c", line))
        assert isinstance(report, dict)
        return report

    def restart(self) -> None:
        shutil.rmtree(self.place / "run")
        (self.place / "run").mkdir()

    def etc(self, name: str) -> str:
        return self.run("cat", f"/etc/{name}")

    def written(self) -> dict[str, tuple[int, int]]:
        """Number and time of every file of the disk but the lock of the account files."""
        found = {}
        for top in ("upper", "var"):
            for path in sorted((self.place / top).rglob("*")):
                if path.name != ".pwd.lock" and not path.is_dir():
                    status = path.lstat()
                    found[str(path)] = (status.st_ino, status.st_mtime_ns)
        return found


@pytest.fixture
def box(tmp_path: Path, tree: Path) -> Box:
    made = Box(tmp_path, tree)
    made.make()
    return made


def errors(report: dict[str, Any]) -> str:
    return "\n".join(map(str, report["errors"]))


def test_a_machine_becomes_what_its_document_says(box: Box) -> None:
    report = box.apply(FIRST)
    assert "file cannot be written to a read-only filesystem" in errors(report)
    assert "user made without: group 'docker'" in errors(report)
    assert len(report["errors"]) == 2
    assert box.etc("hostname") == "web-1\n"
    assert "web-1" in box.etc("hosts")
    assert box.run("date", "+%Z").strip() in {"CET", "CEST"}
    assert box.run("id", "-nG", "ada").split() == ["ada", "adm", "sudo"]
    assert f"ada:{HASH}:" in box.etc("shadow")
    app = int(box.run("id", "-u", "app"))
    assert 300 <= app <= 899
    keys = "/home/ada/.ssh/authorized_keys"
    assert f"{KEY} ada" in box.run("cat", keys)
    modes = box.run("stat", "-c", "%U:%G %a", keys, "/home/ada/.ssh", "/home/ada")
    assert modes == "ada:ada 600\nada:ada 700\nada:ada 700\n"
    assert f"{KEY} me" in box.run("cat", "/home/core/.ssh/authorized_keys")
    assert box.run("stat", "-c", "%U:%G %a", "/etc/app/settings") == "root:ada 640\n"
    assert box.run("stat", "-c", "%U:%G", "/home/ada/.config") == "ada:ada\n"
    assert box.run("systemctl", "is-enabled", "web.service") == "enabled\n"
    assert box.run("readlink", "/etc/systemd/system/systemd-timesyncd.service") == "/dev/null\n"


def test_secrets_are_roots_alone(box: Box) -> None:
    report = box.apply(FIRST)
    assert "top secret" not in json.dumps(report)
    assert HASH not in json.dumps(report)
    places = ["user-data", "state.json", "instance.json"]
    modes = box.run("stat", "-c", "%a %U", *(f"/var/lib/cloud-config/{name}" for name in places))
    assert modes == "600 root\n" * 3
    status = (box.place / "run/cloud-config/status.json").read_text()
    assert "top secret" not in status
    assert HASH not in status


def test_the_second_time_nothing_is_written(box: Box) -> None:
    box.apply(FIRST)
    before = box.written()
    box.restart()
    report = box.apply(FIRST)
    changed = {one["action"] for one in report["results"] if one["outcome"] == "changed"}
    assert changed <= {"set-hostname", "start-unit"}, "the kernel's name and the start of a unit"
    assert box.written() == before


def test_the_next_document_takes_back_the_former(box: Box) -> None:
    box.apply(FIRST)
    box.restart()
    report = box.apply(SECOND)
    assert report["errors"] == []
    for path in ("/etc/app/settings", "/etc/systemd/system/web.service"):
        with pytest.raises(Exception, match="exit 1"):
            box.run("test", "-e", path)
    assert box.etc("hosts") == (box.tree / "etc/hosts").read_text()
    assert box.run("readlink", "/etc/localtime") == "/usr/share/zoneinfo/Etc/UTC\n"
    assert KEY not in box.run("cat", "/home/core/.ssh/authorized_keys")
    assert f"{KEY} other" in box.run("cat", "/home/ada/.ssh/authorized_keys")
    assert box.run("id", "-nG", "ada").split() == ["ada", "adm", "sudo"], "users stay"
    drift = box.run("cloud-config", "diff")
    assert drift == "configured  /etc/hostname (hostname)\n"


def authority() -> str:
    """The certificate of the manual's example, and the document around it."""
    manual = (ROOT / "docs/usage/cloud-config.md").read_text()
    found = re.search(r"```yaml\n(#cloud-config\nca_certs:.*?)```", manual, re.DOTALL)
    assert found is not None
    return found[1]


def test_programs_of_the_image_trust_a_companys_authority(box: Box) -> None:
    document = authority()
    certificate = "/etc/ssl/certs/cloud-config-*.pem"
    verify = f"cp {certificate} /run/one; openssl verify"
    with pytest.raises(Exception, match="exit"):
        box.run("/bin/sh", "-c", f"{verify} /run/one")
    assert box.apply(document)["errors"] == []
    for way in (
        "-no-CAfile -CApath /etc/ssl/certs",
        "-no-CApath -CAfile /etc/ssl/certs/ca-certificates.crt",
        "",
    ):
        assert box.run("/bin/sh", "-c", f"{verify} {way} /run/one") == "/run/one: OK\n"
    count = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"
    loaded = int(box.run("python3", "-c", count))
    box.restart()
    assert not [one for one in box.apply(document)["results"] if one["outcome"] == "changed"]
    assert box.apply("#cloud-config\n")["errors"] == []
    assert int(box.run("python3", "-c", count)) == loaded - 1
    bundle = "etc/ssl/certs/ca-certificates.crt"
    assert box.run("cat", f"/{bundle}") == (box.tree / bundle).read_text()
    assert box.run("/bin/sh", "-c", f"ls {certificate} 2>/dev/null; true") == ""


UNITS = ("ssh.service", "update-engine.service", "getty@tty1.service", "tmp.mount")


def test_units_that_an_image_has_are_not_called_missing(box: Box) -> None:
    items = "".join(f"  - {{name: {name}, command: start}}\n" for name in (*UNITS, "x.service"))
    (box.place / "run/document").write_text(f"#cloud-config\ncoreos:\n  units:\n{items}")
    said = box.run("cloud-config", "plan", "/run/document").splitlines()
    (missing,) = [line for line in said if "nor this image has it" in line]
    assert missing.startswith("line 8: warning: coreos.units: x.service is started")


def test_a_broken_document_leaves_the_keys(box: Box) -> None:
    box.apply(FIRST)
    report = box.apply("#cloud-config\nhostname: [\n")
    assert report["stage"] == "degraded"
    assert f"{KEY} me" in box.run("cat", "/home/core/.ssh/authorized_keys")
    assert box.etc("hostname") == "web-1\n"


def test_drift_is_found(box: Box) -> None:
    box.apply(FIRST)
    line = "echo by hand >/etc/hostname; rm /etc/app/settings; rm /etc/issue; date >/etc/motd"
    box.run("/bin/sh", "-c", line)
    found = box.run("/bin/sh", "-c", "cloud-config diff --text; true")
    kinds = dict(re.findall(r"(?m)^(\w+) +(/etc/\S+)", found))
    assert kinds["edited"] == "/etc/hostname"
    assert kinds["missing"] == "/etc/app/settings"
    assert kinds["deleted"] == "/etc/issue"
    assert kinds["added"] == "/etc/motd"
    assert "configured  /etc/hosts (manage_etc_hosts)" in found
    assert "+by hand" in found
    assert "passwd" not in found


def test_a_new_instance_gets_its_passwords_again(box: Box) -> None:
    box.apply(FIRST, "--instance-id i-1")
    box.run("/bin/sh", "-c", "echo ada:x | chpasswd --encrypted")
    box.apply(FIRST, "--instance-id i-1")
    assert "ada:x:" in box.etc("shadow")
    box.apply(FIRST, "--instance-id i-2")
    assert f"ada:{HASH}:" in box.etc("shadow")


def test_a_script_runs_once_per_instance(box: Box) -> None:
    script = "#!/bin/sh\necho ran >>/var/lib/ran\n"
    for instance in ("i-1", "i-1", "i-2"):
        box.apply(script, "--instance-id", instance)
        for path in (box.place / "var/lib/cloud-config/once" / instance).glob("script-*.starts"):
            path.with_name(path.name.replace(".starts", ".ended")).touch()
    assert (box.place / "var/lib/ran").read_text() == "ran\n" * 2


@pytest.mark.parametrize("after_ms", [200, 400, 500, 600, 700, 800])
def test_a_run_that_was_killed_is_made_whole(box: Box, after_ms: int) -> None:
    (box.place / "run/document").write_text(FIRST)
    kill = f"timeout -s KILL {after_ms / 1000} cloud-config apply /run/document; true"
    box.run("/bin/sh", "-c", kill)
    box.restart()
    report = box.apply(FIRST)
    assert not [one for one in report["results"] if "lock" in one["text"]]
    assert "file cannot be written to a read-only filesystem" in errors(report)
    assert box.run("id", "-nG", "ada").split() == ["ada", "adm", "sudo"]
    assert f"ada:{HASH}:" in box.etc("shadow")
    assert f"{KEY} ada" in box.run("cat", "/home/ada/.ssh/authorized_keys")
    box.apply("#cloud-config\n")
    assert box.run("/bin/sh", "-c", "cloud-config diff; true") == ""


@pytest.fixture
def device(tmp_path: Path) -> Iterator[str]:
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(64 * MIB)
    name = RUNNER.run(Command(["losetup", "--find", "--show", str(image)])).decode().strip()
    yield name
    RUNNER.run(Command(["losetup", "--detach", name]))


@pytest.mark.parametrize(("kind", "label"), [("ext4", "data"), ("vfat", "DATA")])
def test_an_empty_disk_is_formatted_and_a_full_one_left(
    box: Box, device: str, kind: str, label: str
) -> None:
    def document(wanted: str) -> str:
        item = f"{{device: {device}, format: {wanted}, label: {label}, path: /var/data}}"
        return f"#cloud-config\nstorage: {{filesystems: [{item}]}}\n"

    report = box.apply(document(kind))
    assert [one["outcome"] for one in report["results"] if one["action"] == "format-disk"] == [
        "changed"
    ]
    probe = ("blkid", "--probe", "--output", "value", "--match-tag")
    assert box.run(*probe, "TYPE", device) == f"{kind}\n"
    assert box.run(*probe, "LABEL", device) == f"{label}\n"
    identity = box.run(*probe, "UUID", device)
    other = "vfat" if kind == "ext4" else "ext4"
    report = box.apply(document(other), "--instance-id i-2")
    assert f"not empty, it holds {kind}" in errors(report)
    assert box.run(*probe, "UUID", device) == identity
