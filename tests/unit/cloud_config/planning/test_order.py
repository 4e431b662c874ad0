"""Units, files, disks and containers: what is done, and in which order."""

import pytest

from cloud_config.document.findings import Level
from cloud_config.document.model import (
    Coreos,
    Document,
    DropIn,
    Filesystem,
    FileToWrite,
    NamedText,
    Ntp,
    Unit,
)
from cloud_config.document.users import User
from cloud_config.planning.actions import (
    Action,
    AuthorizeKeys,
    CommandUnit,
    EnableUnit,
    EnsureUser,
    FormatDisk,
    Frequency,
    LinkFile,
    PutFile,
    ReloadManager,
    RunScript,
    SetHostname,
)
from cloud_config.planning.facts import Facts
from cloud_config.planning.metadata import Metadata
from cloud_config.planning.plan import Plan, frequency, plan

NODE = Facts(
    hostname="localhost",
    units=frozenset({"etcd.service"}),
    links={"/home": "/var/home"},
)


def unit_plan(*units: Unit) -> Plan:
    return plan(Document(coreos=Coreos(units=units)), NODE)


def place(made: Plan, kind: type[Action]) -> int:
    return next(i for i, action in enumerate(made.actions) if isinstance(action, kind))


def written(made: Plan) -> dict[str, str]:
    return {a.path: a.content.decode() for a in made.actions if isinstance(a, PutFile)}


def test_a_unit_is_written_and_enabled_before_systemd_reloads_and_commanded_after() -> None:
    item = Unit("a.service", 1, content="[Service]\n", enable=True, command="start")
    assert unit_plan(item).actions == (
        PutFile("/etc/systemd/system/a.service", b"[Service]\n", "coreos.units"),
        EnableUnit("a.service", runtime=False, origin="coreos.units"),
        ReloadManager(),
        CommandUnit("start", "a.service", "coreos.units"),
    )


def test_a_runtime_unit_is_gone_after_a_reboot() -> None:
    made = unit_plan(Unit("a.service", 1, content="[Service]\n", runtime=True, enable=True))
    assert list(written(made)) == ["/run/systemd/system/a.service"]
    assert EnableUnit("a.service", runtime=True, origin="coreos.units") in made.actions


def test_drop_ins_lie_beside_their_unit() -> None:
    made = unit_plan(Unit("a.service", 1, drop_ins=(DropIn("10-x.conf", "[Unit]\n"),)))
    assert written(made) == {"/etc/systemd/system/a.service.d/10-x.conf": "[Unit]\n"}


def test_a_masked_unit_is_a_link_and_nothing_else() -> None:
    made = unit_plan(Unit("a.service", 1, "[Service]\n", mask=True, enable=True, command="start"))
    assert made.actions == (
        LinkFile("/etc/systemd/system/a.service", "/dev/null", "coreos.units"),
        ReloadManager(),
    )
    assert [f.level for f in made.findings] == [Level.WARNING] * 3


def test_a_masked_unit_can_be_stopped() -> None:
    made = unit_plan(Unit("a.service", 1, mask=True, command="stop"))
    assert CommandUnit("stop", "a.service", "coreos.units") in made.actions


def test_networkd_s_files_restart_networkd_once_instead_of_a_command() -> None:
    made = unit_plan(
        Unit("a.network", 1, content="[Match]\n", command="start", enable=True),
        Unit("b.netdev", 2, content="[NetDev]\n", command="restart"),
    )
    assert [a for a in made.actions if isinstance(a, CommandUnit)] == [
        CommandUnit("restart", "systemd-networkd.service", "network", only_if_changed=True)
    ]
    assert list(written(made)) == [
        "/etc/systemd/network/a.network",
        "/etc/systemd/network/b.netdev",
    ]


def test_the_network_key_shares_the_restart_with_the_units() -> None:
    made = plan(
        Document(
            network=(NamedText("a.link", 1, "[Match]\n"),),
            coreos=Coreos(units=(Unit("b.network", 2, content="[Match]\n"),)),
        ),
        NODE,
    )
    files = [a for a in made.actions if isinstance(a, PutFile)]
    assert {file.origin for file in files} == {"network"}
    assert sum(isinstance(a, CommandUnit) for a in made.actions) == 1


def test_etcd2_is_started_as_etcd() -> None:
    made = unit_plan(Unit("etcd2.service", 4, command="start"))
    assert made.actions == (CommandUnit("start", "etcd.service", "coreos.units"),)
    assert str(made.findings[0]).startswith("line 4: info:")


def test_an_etcd2_unit_of_the_document_s_own_stays_what_it_is() -> None:
    item = Unit("etcd2.service", 1, content="[Service]\n", command="start")
    made = plan(Document(coreos=Coreos(units=(item,), etcd2={"name": "a"})), NODE)
    assert CommandUnit("start", "etcd2.service", "coreos.units") in made.actions
    assert "/etc/systemd/system/etcd2.service.d/20-cloudinit.conf" in written(made)


@pytest.mark.parametrize("name", ["../../x.service", "a b.service", "a", "a.service\n"])
def test_a_unit_with_an_impossible_name_is_left_out(name: str) -> None:
    made = unit_plan(Unit(name, 7, content="[Service]\n", command="start"), Unit("b.service", 8))
    assert not made.actions
    assert [(f.line, f.level) for f in made.findings] == [(7, Level.ERROR)]


def test_everything_is_done_in_the_order_of_coreos_cloudinit() -> None:
    document = Document(
        hostname="a",
        ssh_authorized_keys=("ssh-ed25519 A",),
        users=(User("alice", line=1, ssh_authorized_keys=("ssh-ed25519 B",)),),
        write_files=(FileToWrite("/etc/motd", 1),),
        coreos=Coreos(units=(Unit("a.service", 1, content="[Service]\n", command="start"),)),
        filesystems=(Filesystem("/dev/vdb", 1, path="/var/lib/x"),),
    )
    kinds = [type(action) for action in plan(document, NODE, (b"#!/bin/sh\n",)).actions]
    assert kinds == [
        SetHostname,
        *(FormatDisk, PutFile, EnableUnit, ReloadManager, CommandUnit),
        *(EnsureUser, AuthorizeKeys, AuthorizeKeys),
        PutFile,
        *(PutFile, ReloadManager, CommandUnit),
        RunScript,
    ]


def test_the_platform_s_name_is_for_documents_without_one() -> None:
    facts = Facts(metadata=Metadata(hostname="ip-10-0-0-1"))
    assert plan(Document(), facts).actions == (SetHostname("ip-10-0-0-1", "metadata"),)
    assert plan(Document(hostname="a"), facts).actions == (SetHostname("a"),)


def test_a_platform_s_name_that_is_none_is_left_alone() -> None:
    facts = Facts(metadata=Metadata(hostname="a\nb"))
    made = plan(Document(manage_etc_hosts="localhost"), facts)
    assert not made.actions
    assert len(made.findings) == 2


def test_a_name_too_long_for_the_kernel_loses_its_domain() -> None:
    name = "instance-1.europe-west1-b.c.a-project-with-a-very-long-name-4711.internal"
    made = plan(Document(manage_etc_hosts="localhost"), Facts(metadata=Metadata(hostname=name)))
    assert made.actions[0] == SetHostname("instance-1", "metadata")
    assert "127.0.0.1 instance-1\n" in written(made)["/etc/hosts"]


@pytest.mark.parametrize("name", ["x" * 65, "-a", "a b", ".", "a%b"])
def test_a_name_that_no_machine_can_have_is_left_alone(name: str) -> None:
    made = plan(Document(hostname=name), NODE)
    assert not made.actions
    assert made.findings[0].level is Level.WARNING


def test_the_platform_s_keys_are_kept_apart_from_the_document_s() -> None:
    facts = Facts(metadata=Metadata(public_keys=("ssh-ed25519 P",)))
    made = plan(Document(ssh_authorized_keys=("ssh-ed25519 D",)), facts)
    assert made.actions == (
        AuthorizeKeys("core", ("ssh-ed25519 D",), "ssh_authorized_keys"),
        AuthorizeKeys("core", ("ssh-ed25519 P",), "metadata"),
    )


def test_a_key_cannot_bring_another_line() -> None:
    made = plan(Document(ssh_authorized_keys=("ssh-ed25519 A\x1b", "ssh-ed25519 B")), NODE)
    assert made.actions == (AuthorizeKeys("core", ("ssh-ed25519 B",), "ssh_authorized_keys"),)
    assert made.findings[0].level is Level.ERROR


@pytest.mark.parametrize("path", ["/usr/bin/x", "/etc/../usr/x", "/boot/x", "etc/x", "/"])
def test_files_go_to_the_five_trees_only(path: str) -> None:
    made = plan(Document(write_files=(FileToWrite(path, 3), FileToWrite("/etc/ok", 4))), NODE)
    assert list(written(made)) == ["/etc/ok"]
    assert made.findings[0].line == 3


def test_the_addresses_are_added_to_etc_environment() -> None:
    facts = Facts(
        environment="A=b\nCOREOS_PUBLIC_IPV4=old\n",
        metadata=Metadata(public_ipv4="192.0.2.1", private_ipv6="fd00::1"),
    )
    assert written(plan(Document(), facts)) == {
        "/etc/environment": "A=b\nCOREOS_PRIVATE_IPV6=fd00::1\nCOREOS_PUBLIC_IPV4=192.0.2.1\n"
    }


def test_the_document_s_own_etc_environment_wins() -> None:
    facts = Facts(metadata=Metadata(public_ipv4="192.0.2.1"))
    made = plan(Document(write_files=(FileToWrite("/etc/environment", 1, b"A=b\n"),)), facts)
    assert written(made) == {"/etc/environment": "A=b\n"}


def test_a_generated_file_wins_over_one_of_the_document() -> None:
    document = Document(
        hostname="a",
        manage_etc_hosts="localhost",
        write_files=(FileToWrite("/etc/hosts", 1, b"mine\n"),),
    )
    made = plan(document, NODE)
    assert "127.0.0.1 a\n" in written(made)["/etc/hosts"]
    assert sum(isinstance(a, PutFile) for a in made.actions) == 1
    assert "manage_etc_hosts wins" in made.findings[0].message


def test_of_two_files_with_one_path_the_last_is_written() -> None:
    files = (FileToWrite("/etc/a", 1, b"1"), FileToWrite("/etc/a", 2, b"2"))
    assert written(plan(Document(write_files=files), NODE)) == {"/etc/a": "2"}


def test_a_disk_for_homes_is_mounted_before_there_are_homes() -> None:
    document = Document(
        users=(User("alice", line=1),), filesystems=(Filesystem("/dev/vdb", 1, path="/home"),)
    )
    made = plan(document, NODE)
    assert "/etc/systemd/system/var-home.mount" in written(made)
    assert CommandUnit("start", "var-home.mount", "storage.filesystems") in made.actions
    assert place(made, CommandUnit) < place(made, EnsureUser)


def test_a_disk_inside_of_a_disk_is_mounted_after_it() -> None:
    inner, outer = "/var/lib/a/b", "/var/lib/a"
    disks = (Filesystem("/dev/vdc", 1, path=inner), Filesystem("/dev/vdb", 2, path=outer))
    started = [
        a.name
        for a in plan(Document(filesystems=disks), NODE).actions
        if isinstance(a, CommandUnit)
    ]
    assert started == ["var-lib-a.mount", "var-lib-a-b.mount"]


def test_a_disk_without_a_place_is_only_formatted() -> None:
    made = plan(Document(filesystems=(Filesystem("/dev/vdb", 1, label="x"),)), NODE)
    assert made.actions == (FormatDisk("/dev/vdb", "ext4", "x", "storage.filesystems"),)


@pytest.mark.parametrize("path", ["/etc", "/var", "/var/lib", "/usr/x", "/run", "/etc/ssh"])
def test_a_disk_that_would_hide_the_machine_is_not_even_formatted(path: str) -> None:
    made = plan(Document(filesystems=(Filesystem("/dev/vdb", 5, path=path),)), NODE)
    assert not made.actions
    assert made.findings[0].line == 5


def test_two_disks_cannot_have_one_place() -> None:
    disks = (Filesystem("/dev/vdb", 1, path="/home"), Filesystem("/dev/vdc", 2, path="/var/home"))
    made = plan(Document(filesystems=disks), NODE)
    assert sum(isinstance(a, FormatDisk) for a in made.actions) == 1
    assert made.findings[0].line == 2


@pytest.mark.parametrize(
    ("name", "content", "service"),
    [
        ("web.container", "[Container]\n", "web.service"),
        ("data.volume", "[Volume]\n", "data-volume.service"),
        ("lan.network", "[Network]\n", "lan-network.service"),
        ("app.pod", "[Pod]\n", "app-pod.service"),
        ("app.kube", "[Kube]\n", "app.service"),
        ("x.image", "[Image]\n", "x-image.service"),
        ("web.container", "[Container]\nServiceName=other\n", "other.service"),
    ],
)
def test_a_quadlet_is_started_by_the_name_that_the_generator_gives(
    name: str, content: str, service: str
) -> None:
    made = plan(Document(quadlets=(NamedText(name, 1, content),)), NODE)
    origin = f"podman.quadlets.{name}"
    assert made.actions == (
        PutFile(f"/etc/containers/systemd/{name}", content.encode(), origin),
        ReloadManager(),
        CommandUnit("restart", service, origin, only_if_changed=True),
        CommandUnit("start", service, origin),
    )


@pytest.mark.parametrize(
    "item", [NamedText("a.container", 1, "", start=False), NamedText("a@.container", 1, "")]
)
def test_a_quadlet_that_is_not_to_run_is_only_written(item: NamedText) -> None:
    made = plan(Document(quadlets=(item,)), NODE)
    assert [type(action) for action in made.actions] == [PutFile, ReloadManager]


def test_time_servers_replace_the_image_s() -> None:
    made = plan(Document(ntp=Ntp(("a.example", "2001:db8::1"), ("b.example",))), NODE)
    content = written(made)["/etc/systemd/timesyncd.conf.d/50-cloud-config.conf"]
    assert content.splitlines()[1:] == [
        "[Time]",
        "NTP=",
        "NTP=a.example 2001:db8::1",
        "FallbackNTP=",
        "FallbackNTP=b.example",
    ]


def test_time_that_comes_from_elsewhere_masks_timesyncd() -> None:
    made = plan(Document(ntp=Ntp(enabled=False)), NODE)
    path = "/etc/systemd/system/systemd-timesyncd.service"
    assert LinkFile(path, "/dev/null", "ntp") in made.actions
    assert CommandUnit("stop", "systemd-timesyncd.service", "ntp") in made.actions


def test_a_time_server_cannot_bring_a_setting() -> None:
    made = plan(Document(ntp=Ntp(("a\nRootDistanceMaxSec=9", "b c", "%H"))), NODE)
    assert not made.actions
    assert made.findings[0].level is Level.ERROR


def test_disks_and_scripts_are_for_one_instance_only() -> None:
    once = (FormatDisk("/dev/vdb", "ext4", "", "x"), RunScript(b"#!/bin/sh\n"))
    assert {frequency(action) for action in once} == {Frequency.ONCE_PER_INSTANCE}
    assert frequency(SetHostname("a")) is Frequency.EVERY_BOOT
