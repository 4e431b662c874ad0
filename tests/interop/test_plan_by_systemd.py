"""What a plan writes, judged by the programs that will read it.

systemd in test mode prints what it understood of a unit, so a value can be
compared after systemd's own parser took it apart.
"""

import re
import shlex
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder import definition, hosttools, imagelocks, local, supply
from builder.world import BuildWorld
from cloud_config.document.interpreting import interpret
from cloud_config.document.model import Coreos, Document, Filesystem
from cloud_config.planning import etcd
from cloud_config.planning.actions import PutFile
from cloud_config.planning.escaping import env_value
from cloud_config.planning.facts import Facts
from cloud_config.planning.plan import plan
from cloud_config.planning.quadlets import service_of
from cloud_config.planning.services import drop_in
from hostio.system.runner import Command, LocalRunner
from osmodel.faults import HostFailure
from tests.checkout import ROOT

pytestmark = [pytest.mark.interop, pytest.mark.root]

NODE = ROOT / "images/node"
NOBODY = 65534
PRINTABLE = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
# What has a meaning somewhere in systemd or a shell comes more often than by chance.
SPECIAL = [
    "%",
    "%%",
    "%H",
    "%n",
    "\\",
    "\\n",
    "\\x41",
    '"',
    "'",
    "$",
    "$X",
    "${X}",
    "`id`",
    " ",
    "\t",
    "#",
    ";",
]
VALUE = st.lists(st.one_of(st.sampled_from(SPECIAL), PRINTABLE), min_size=1).map("".join)
Show = Callable[[str], str]
ONCE = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def place() -> BuildWorld:
    return local.build_world()


@pytest.fixture(scope="module")
def tools(place: BuildWorld) -> Path:
    """The tools tree, made now if this host does not have it."""
    return hosttools.tree(place).root


def boxed(tools: Path, binds: dict[Path, str], argv: list[str]) -> Command:
    """A program of the tools tree, run by nobody in particular: systemd wants that."""
    box = ["bwrap", "--die-with-parent", "--unshare-user", "--uid", str(NOBODY)]
    box += ["--ro-bind", str(tools), "/", "--proc", "/proc", "--dev", "/dev"]
    box += ["--ro-bind", "/sys", "/sys", "--tmpfs", "/tmp", "--tmpfs", "/run"]  # noqa: S108
    for outside, inside in binds.items():
        box += ["--ro-bind", str(outside), inside]
    return Command([*box, "--", *argv])


@pytest.fixture
def show(tools: Path, tmp_path: Path) -> Show:
    """What systemd understood of a unit below ``tmp_path``."""

    def understood(unit: str) -> str:
        script = (
            "export XDG_RUNTIME_DIR=/run SYSTEMD_UNIT_PATH=/tmp/units: SYSTEMD_LOG_LEVEL=warning; "
            f"/usr/lib/systemd/systemd --test --system --unit {shlex.quote(unit)} 2>&1 || true"
        )
        command = boxed(tools, {tmp_path: "/tmp/units"}, ["/bin/sh", "-c", script])  # noqa: S108
        output = LocalRunner().run(command).decode()
        found = re.search(rf"Unit {re.escape(unit)}:\n((?:\t\t.*\n)+)", output)
        assert found, output
        return found[1]

    return understood


def put(directory: Path, *files: PutFile) -> None:
    for file in files:
        path = directory / file.path.removeprefix("/etc/systemd/system/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)


@ONCE
@given(values=st.lists(VALUE, min_size=1, max_size=40))
def test_systemd_gives_a_service_the_very_values(
    values: list[str], show: Show, tmp_path: Path
) -> None:
    wanted = {f"V{number}": value for number, value in enumerate(values)}
    (tmp_path / "etcd.service").write_text("[Service]\nExecStart=/bin/true\n")
    put(tmp_path, drop_in("etcd.service", wanted, "a test"))
    understood = show("etcd.service")
    got = re.findall(r"\t\tEnvironment: (V\d+)=(.*)\n", understood)
    assert dict(got) == wanted


def test_a_value_cannot_add_a_setting(show: Show, tmp_path: Path) -> None:
    (tmp_path / "etcd.service").write_text("[Service]\nExecStart=/bin/true\n")
    evil = {"name": 'a"\nExecStartPre=/bin/evil', "data_dir": '/x" "LD_PRELOAD=/evil'}
    made = plan(Document(coreos=Coreos(etcd2=evil)), Facts())
    put(tmp_path, *(a for a in made.actions if isinstance(a, PutFile)))
    understood = show("etcd.service")
    assert "evil" not in re.sub(r"Environment: ETCD_DATA_DIR=.*", "", understood)
    assert 'Environment: ETCD_DATA_DIR=/x" "LD_PRELOAD=/evil\n' in understood


def test_a_mount_unit_mounts_what_it_should_where_it_should(show: Show, tmp_path: Path) -> None:
    item = Filesystem(
        "/dev/disk/by-id/virtio-50%H_a+b", 1, "ext4", "x", "/var/lib/my-data", ("noatime", "ro")
    )
    made = plan(Document(filesystems=(item,)), Facts())
    (unit,) = [a for a in made.actions if isinstance(a, PutFile)]
    put(tmp_path, unit)
    understood = show(unit.path.rpartition("/")[2])
    assert "\t\tUnit Load State: loaded\n" in understood
    assert "\t\tWhere: /var/lib/my-data\n" in understood
    assert "\t\tWhat: /dev/disk/by-id/virtio-50%H_a+b\n" in understood
    assert "\t\tFile System Type: ext4\n" in understood
    assert "\t\tOptions: noatime,ro\n" in understood
    assert "\t\tRequires: systemd-fsck@dev-disk-by" in understood


@pytest.mark.parametrize("path", ["/var/lib/a b", "/var/ä", "/var/lib/x-y.z/_%i", "/var/a\\b"])
def test_mount_units_have_the_names_that_systemd_gives_them(path: str, tools: Path) -> None:
    item = Filesystem("/dev/vdb", 1, path=path)
    made = plan(Document(filesystems=(item,)), Facts())
    (unit,) = [a for a in made.actions if isinstance(a, PutFile)]
    argv = ["systemd-escape", "--path", "--suffix=mount", path]
    name = LocalRunner().run(boxed(tools, {}, argv)).decode().strip()
    assert unit.path == f"/etc/systemd/system/{name}"


@ONCE
@given(values=st.lists(VALUE, min_size=1, max_size=40))
def test_a_shell_reads_the_very_values_of_an_environment_file(
    values: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "file.env"
    names = [f"V{number}" for number in range(len(values))]
    file.write_text("".join(f"{n}={env_value(v)}\n" for n, v in zip(names, values, strict=True)))
    printed = " ".join(f'"${name}"' for name in names)
    script = f". {shlex.quote(str(file))}; printf '%s\\n' {printed}"
    output = LocalRunner().run(Command(["/bin/sh", "-c", script])).decode()
    assert output.split("\n")[:-1] == values


@pytest.fixture(scope="module")
def node_package(
    place: BuildWorld, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """A package as a node has it, unpacked."""

    @cache
    def unpacked(name: str) -> Path:
        packages = supply.known(imagelocks.for_image(definition.load(NODE)), place).packages
        (package,) = [item for item in packages if item.name == name]
        cached = place.home / ".cache/twinkeel/debs" / package.sha256
        if not cached.is_file() or shutil.which("dpkg-deb") is None:
            pytest.skip("needs the packages of images/node in the cache, and dpkg-deb")
        directory = tmp_path_factory.mktemp(name)
        place.runner.run(Command(["dpkg-deb", "-x", str(cached), str(directory)]))
        return directory

    return unpacked


@pytest.fixture(scope="module")
def etcd_program(node_package: Callable[[str], Path]) -> Path:
    return node_package("etcd-server") / "usr/bin/etcd"


@pytest.mark.parametrize("option", sorted(etcd.OPTIONS | {"log_level"}))
def test_etcd_knows_the_option(option: str, etcd_program: Path, tmp_path: Path) -> None:
    assert "unrecognized environment variable" not in complaints(option, etcd_program, tmp_path)


@pytest.mark.parametrize("option", ["ca_file", "peer_ca_file", "debug", *etcd.GONE])
def test_etcd_no_longer_knows_the_option(option: str, etcd_program: Path, tmp_path: Path) -> None:
    assert "unrecognized environment variable" in complaints(option, etcd_program, tmp_path)


def complaints(option: str, program: Path, directory: Path) -> str:
    """What etcd says of an option before it fails on the data directory that is none."""
    no_directory = directory / "file"
    no_directory.touch()
    log = directory / "log"
    script = f"exec {program} --data-dir {no_directory}/x >{log} 2>&1"
    env = {f"ETCD_{option.upper()}": "@"}
    with pytest.raises(HostFailure):
        LocalRunner().run(Command(["/bin/sh", "-c", script], env=env))
    return log.read_text()


MEMBER = """#cloud-config
coreos:
  etcd2:
    name: node-1
    data-dir: DIRECTORY
    debug: true
    heartbeat-interval: 200
    election-timeout: 2000
    initial-cluster: node-1=http://$private_ipv4:23803
    initial-cluster-token: etcd-cluster-1
    initial-cluster-state: new
    advertise-client-urls: http://$private_ipv4:23793
    initial-advertise-peer-urls: http://$private_ipv4:23803
    listen-client-urls: http://127.0.0.1:23793,http://127.0.0.1:24003
    listen-peer-urls: http://$private_ipv4:23803
    proxy: "off"
    strict-reconfig-check: true
    log-package-levels: etcdserver=DEBUG
"""


def test_etcd_serves_with_the_options_of_a_document_of_etcd_2(
    etcd_program: Path, tmp_path: Path
) -> None:
    document = MEMBER.replace("DIRECTORY", str(tmp_path / "data"))
    request = interpret(document.encode(), {"private_ipv4": "127.0.0.1"})
    made = plan(request.document, Facts())
    (unit,) = [a for a in made.actions if isinstance(a, PutFile)]
    pairs = re.findall(r'^Environment="(\w+)=(.*)"$', unit.content.decode(), re.MULTILINE)
    log = tmp_path / "log"
    script = f"""
        timeout 60 {etcd_program} >{log} 2>&1 & member=$!
        until grep -q "serving client traffic" {log} || ! kill -0 $member; do sleep 0.1; done
        kill $member; wait $member || true
    """
    LocalRunner().run(Command(["/bin/sh", "-c", script], env=dict(pairs)))
    assert "serving client traffic" in log.read_text()
    assert "unrecognized environment variable" not in log.read_text()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("web.container", "[Container]\nImage=docker.io/x/y\n"),
        ("web.container", "[Container]\nImage=docker.io/x/y\nServiceName=other\n"),
        ("data.volume", "[Volume]\n"),
        ("data.volume", "[Volume]\nServiceName=named\n"),
        ("lan.network", "[Network]\n"),
        ("app.pod", "[Pod]\n"),
        ("app.image", "[Image]\nImage=docker.io/x/y\n"),
        ("app.kube", "[Kube]\nYaml=/etc/app.yml\n"),
        ("app.build", "[Build]\nImageTag=localhost/app\nSetWorkingDirectory=unit\n"),
        ("web@.container", "[Container]\nImage=docker.io/x/y\n"),
    ],
)
def test_podman_s_generator_gives_the_service_that_name(
    name: str, content: str, node_package: Callable[[str], Path], tmp_path: Path
) -> None:
    program = node_package("podman") / "usr/libexec/podman/quadlet"
    (tmp_path / name).write_text(content)
    environment = {"QUADLET_UNIT_DIRS": str(tmp_path)}
    output = LocalRunner().run(Command([str(program), "-dryrun"], env=environment)).decode()
    assert re.findall(r"^---(.*)---$", output, re.MULTILINE) == [service_of(name, content)]
