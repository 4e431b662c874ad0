"""Applying a plan: once, again, in part, and back to nothing."""

import json
import logging

import pytest

from cloud_config.document.findings import Finding, Level
from cloud_config.planning.actions import (
    AuthorizeKeys,
    CommandUnit,
    EnableUnit,
    EnsureUser,
    FormatDisk,
    LinkFile,
    PutFile,
    ReloadManager,
    RemoveFile,
    RunScript,
    SetHostname,
    SetTimezone,
)
from cloud_config.state.report import Outcome, Progress, Report
from hostio.disk.datadisks import Content
from hostio.files.guardedtree import Kind, Owner
from hostio.system.accounts import Account
from tests.fakes.cloudmachine import DISK, CloudMachine, outcomes
from tests.fakes.ramtree import Leaf

UNIT = "/etc/systemd/system/web.service"
KEYS = "/home/core/.ssh/authorized_keys"
HOSTS = PutFile("/etc/hosts", b"127.0.0.1 me\n", "manage_etc_hosts")
BROKEN = (Finding(3, Level.ERROR, "not a mapping"),)


def only(report: Report) -> Outcome:
    assert len(report.results) == 1, report.results
    return report.results[0].outcome


@pytest.fixture
def machine() -> CloudMachine:
    return CloudMachine()


def test_a_file_gets_its_owner_and_mode(machine: CloudMachine) -> None:
    report = machine.apply(PutFile("/etc/app", b"x", "write_files", 0o640, "core:core"))
    leaf = machine.tree.leaves["/etc/app"]
    assert (leaf.content, leaf.mode, leaf.owner) == (b"x", 0o640, Owner(1000, 1000))
    assert only(report) is Outcome.CHANGED
    assert report.stage is Progress.DONE


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        ("", Owner(0, 0)),
        ("core", Owner(1000, 0)),
        ("core:", Owner(1000, 1000)),
        ("core:sudo", Owner(1000, 27)),
        ("33:44", Owner(33, 44)),
        ("33", Owner(33, 0)),
    ],
)
def test_an_owner_is_read_as_chown_reads_it(machine: CloudMachine, text: str, owner: Owner) -> None:
    machine.apply(PutFile("/etc/app", b"x", "write_files", owner=text))
    assert machine.tree.leaves["/etc/app"].owner == owner


@pytest.mark.parametrize("owner", ["nobody-here", "core:nothing", "4294967295", "-1", "٣x"])
def test_an_unknown_owner_fails_and_writes_nothing(machine: CloudMachine, owner: str) -> None:
    report = machine.apply(PutFile("/etc/app", b"x", "write_files", owner=owner))
    assert only(report) is Outcome.FAILED
    assert "/etc/app" not in machine.tree.leaves


def test_what_is_right_already_is_not_written_again(machine: CloudMachine) -> None:
    plan = (
        SetHostname("web"),
        SetTimezone("Europe/Berlin"),
        EnsureUser("ada", passwd="$6$x", groups=("sudo",)),
        AuthorizeKeys("ada", ("ssh-ed25519 AAAA ada",), "users"),
        HOSTS,
        LinkFile(UNIT, "/dev/null", "units"),
        EnableUnit("ssh.service", runtime=False, origin="units"),
    )
    machine.apply(*plan)
    machine.tree.writes.clear()
    writes = machine.record.writes
    report = machine.apply(*plan)
    assert set(outcomes(report)) == {Outcome.UNCHANGED}
    assert machine.tree.writes == []
    assert machine.record.writes == writes


def test_a_file_of_a_former_document_goes_away(machine: CloudMachine) -> None:
    machine.apply(PutFile("/etc/app", b"x", "write_files"), HOSTS)
    machine.apply(HOSTS)
    assert "/etc/app" not in machine.tree.leaves
    assert set(machine.written().files) == {"/etc/hosts"}


def test_the_image_gets_its_own_file_back(machine: CloudMachine) -> None:
    before = dict(machine.tree.leaves)
    machine.apply(HOSTS, SetTimezone("Europe/Berlin"))
    machine.apply()
    assert machine.tree.leaves == before


def test_a_file_that_went_back_follows_the_images_updates(machine: CloudMachine) -> None:
    machine.apply(HOSTS)
    machine.apply()
    machine.image.leaves["/etc/hosts"] = Leaf(content=b"127.0.0.1 localhost newer\n")
    machine.apply()
    assert machine.tree.leaves["/etc/hosts"].content == b"127.0.0.1 localhost newer\n"
    machine.tree.leaves["/etc/hosts"] = Leaf(content=b"by hand\n")
    machine.apply()
    machine.image.leaves["/etc/hosts"] = Leaf(content=b"127.0.0.1 localhost newest\n")
    machine.apply()
    assert machine.tree.leaves["/etc/hosts"].content == b"by hand\n"


def test_a_file_that_was_changed_by_hand_stays(machine: CloudMachine) -> None:
    machine.apply(PutFile("/etc/app", b"x", "write_files"))
    machine.tree.leaves["/etc/app"] = Leaf(content=b"by hand")
    report = machine.apply()
    assert machine.tree.leaves["/etc/app"].content == b"by hand"
    assert report.results[0].outcome is Outcome.LEFT
    assert "changed by hand" in report.warnings[0]
    assert report.stage is Progress.DONE
    assert machine.apply().results == ()


def test_a_file_still_asked_for_is_put_right(machine: CloudMachine) -> None:
    machine.apply(HOSTS)
    machine.tree.leaves["/etc/hosts"] = Leaf(content=b"by hand")
    report = machine.apply(HOSTS)
    assert machine.tree.leaves["/etc/hosts"].content == HOSTS.content
    assert report.results[0].text == "it had been changed by hand"


def test_a_broken_document_takes_nothing_back(machine: CloudMachine) -> None:
    keys = AuthorizeKeys("core", ("ssh-ed25519 AAAA me",), "ssh_authorized_keys")
    machine.apply(HOSTS, keys)
    report = machine.apply(findings=BROKEN)
    assert b"ssh-ed25519 AAAA me" in machine.tree.leaves[KEYS].content
    assert machine.tree.leaves["/etc/hosts"].content == HOSTS.content
    assert report.stage is Progress.DEGRADED
    assert report.errors == ("line 3: error: not a mapping",)
    machine.apply()
    assert machine.tree.leaves[KEYS].content == b""


def test_one_failure_stops_nothing_else(machine: CloudMachine) -> None:
    machine.tree.refuses.add("/etc/full")
    report = machine.apply(
        PutFile("/usr/bin/evil", b"", "write_files"),
        PutFile("/etc/full", b"", "write_files"),
        AuthorizeKeys("nobody", ("k",), "users"),
        SetTimezone("Mars/Base"),
        CommandUnit("start", "web.service", "units"),
        PutFile("/etc/last", b"", "write_files"),
    )
    failed, done = Outcome.FAILED, Outcome.CHANGED
    assert outcomes(report) == [failed, failed, failed, failed, done, done]
    assert report.errors[0] == (
        "write_files: put-file /usr/bin/evil: failed: /usr/bin/evil: outside /etc, /home, "
        "/root, /run, /var"
    )
    assert report.stage is Progress.DEGRADED
    assert "/etc/last" in machine.tree.leaves


def test_a_refused_unit_is_told_in_one_line(machine: CloudMachine) -> None:
    machine.units.refuses.add("web.service")
    report = machine.apply(CommandUnit("start", "web.service", "units"))
    assert report.results[0].text == (
        "exit 1: systemctl start web.service; Failed to do it: web.service is masked"
    )


def test_a_full_disk_does_not_keep_a_machine_from_its_keys(machine: CloudMachine) -> None:
    machine.tree.refuses.update({"/etc/a", "/var/lib/cloud-config/user-data"})
    machine.tree.refuses.add("/etc/hostname")
    report = machine.apply(
        SetHostname("web"),
        PutFile("/etc/a", b"x", "write_files"),
        AuthorizeKeys("core", ("key",), "ssh_authorized_keys"),
        user_data=b"#cloud-config\n",
    )
    assert b"key" in machine.tree.leaves[KEYS].content
    assert machine.name.name == "web"
    assert len(report.errors) == 3


def test_the_name_is_in_force_and_kept(machine: CloudMachine) -> None:
    machine.apply(SetHostname("web"))
    assert machine.name.name == "web"
    assert machine.tree.leaves["/etc/hostname"].content == b"web\n"
    machine.restart()
    assert only(machine.apply(SetHostname("web"))) is Outcome.CHANGED


def test_a_name_that_the_kernel_refuses_is_not_written(machine: CloudMachine) -> None:
    assert only(machine.apply(SetHostname("x" * 65))) is Outcome.FAILED
    assert "/etc/hostname" not in machine.tree.leaves


@pytest.mark.parametrize("zone", ["", "../../../etc/shadow", "Mars/Base", "Europe/Berlin\0"])
def test_a_zone_comes_from_the_image(machine: CloudMachine, zone: str) -> None:
    assert only(machine.apply(SetTimezone(zone))) is Outcome.FAILED
    assert machine.tree.leaves["/etc/localtime"].kind is Kind.FILE


def test_units_are_read_again_only_when_one_changed(machine: CloudMachine) -> None:
    unit = PutFile(UNIT, b"[Service]", "units[0]")
    reload = ReloadManager()
    machine.apply(unit, reload, reload, PutFile("/etc/app", b"", "w"), reload)
    assert machine.units.calls == ["reload"]
    machine.apply(unit, reload, PutFile("/etc/app", b"", "w"))
    assert machine.units.calls == ["reload"]


def test_a_command_can_wait_for_a_change(machine: CloudMachine) -> None:
    file = PutFile("/etc/systemd/network/1.network", b"[Match]", "network")
    restart = CommandUnit("restart", "systemd-networkd.service", "network", only_if_changed=True)
    assert outcomes(machine.apply(file, restart)) == [Outcome.CHANGED, Outcome.CHANGED]
    assert outcomes(machine.apply(file, restart)) == [Outcome.UNCHANGED, Outcome.SKIPPED]
    assert machine.units.calls == ["restart systemd-networkd.service"]


def test_only_mounts_are_waited_for(machine: CloudMachine) -> None:
    machine.apply(
        CommandUnit("start", "var-lib-data.mount", "storage"),
        CommandUnit("start", "web.service", "units"),
        CommandUnit("stop", "var-lib-data.mount", "storage"),
    )
    assert machine.units.calls == [
        "start var-lib-data.mount and wait",
        "start web.service",
        "stop var-lib-data.mount",
    ]


def test_commands_left_out_are_made_up_for(machine: CloudMachine) -> None:
    plan = (
        PutFile("/etc/systemd/network/1.network", b"[Match]", "network"),
        CommandUnit("restart", "systemd-networkd.service", "network", only_if_changed=True),
        CommandUnit("start", "web.service", "units"),
        RunScript(b"#!/bin/sh\n"),
    )
    first = machine.apply(*plan, with_commands=False)
    assert outcomes(first)[1:] == [Outcome.SKIPPED] * 3
    assert machine.units.calls == []
    machine.apply(*plan)
    assert [call.split()[0] for call in machine.units.calls] == ["restart", "start", "script"]
    assert machine.pending.text is None
    machine.apply(*plan)
    assert machine.units.calls[3:] == ["start web.service"]


def test_the_first_of_two_runs_takes_nothing_back(machine: CloudMachine) -> None:
    machine.apply(HOSTS)
    machine.apply(with_commands=False)
    assert machine.tree.leaves["/etc/hosts"].content == HOSTS.content


def test_a_network_that_goes_away_is_taken_down(machine: CloudMachine) -> None:
    machine.apply(
        PutFile("/etc/systemd/network/1.network", b"[Match]", "network"),
        PutFile("/etc/systemd/network/1.netdev", b"[NetDev]", "network"),
    )
    machine.apply()
    assert machine.units.calls == ["try-restart systemd-networkd.service"]


def test_a_unit_that_goes_away_is_stopped_and_disabled(machine: CloudMachine) -> None:
    machine.apply(
        PutFile(UNIT, b"[Service]", "units[0]"),
        EnableUnit("web.service", runtime=False, origin="units[0]"),
        ReloadManager(),
        CommandUnit("start", "web.service", "units[0]"),
    )
    machine.units.calls.clear()
    machine.apply()
    assert machine.units.calls == ["stop web.service", "disable web.service", "reload"]
    assert UNIT not in machine.tree.leaves


def test_the_images_own_unit_is_never_stopped_with_its_override(machine: CloudMachine) -> None:
    machine.units.active.add("ssh.service")
    machine.apply(PutFile("/etc/systemd/system/ssh.service", b"[Service]", "units[0]"))
    machine.apply()
    assert "ssh.service" in machine.units.active


def test_a_mask_goes_away_with_the_document(machine: CloudMachine) -> None:
    machine.apply(LinkFile(UNIT, "/dev/null", "units[0]"))
    machine.units.active.add("web.service")
    machine.apply()
    assert UNIT not in machine.tree.leaves
    assert machine.units.calls == ["reload"]


def test_a_unit_that_was_enabled_before_stays_so(machine: CloudMachine) -> None:
    machine.units.enabled.add("ssh.service")
    machine.apply(EnableUnit("ssh.service", runtime=False, origin="units[0]"))
    machine.apply()
    assert "ssh.service" in machine.units.enabled


def test_a_user_is_made_with_all_that_was_asked_for(machine: CloudMachine) -> None:
    machine.apply(EnsureUser("ada", passwd="$6$x", groups=("sudo",), gecos="Ada"))
    assert machine.accounts.members["ada"] == ("sudo",)
    assert machine.accounts.passwords["ada"] == "$6$x"


def test_missing_groups_do_not_keep_a_user_out(machine: CloudMachine) -> None:
    user = EnsureUser("ada", groups=("sudo", "docker"), primary_group="staffers")
    report = machine.apply(user)
    assert report.results[0].text == (
        "not on this machine, user made without: group 'docker', primary group 'staffers'"
    )
    assert machine.accounts.members["ada"] == ("sudo",)


def test_a_user_named_as_a_group_joins_it(machine: CloudMachine) -> None:
    machine.apply(EnsureUser("sudo"))
    assert machine.accounts.users["sudo"].group == 27


@pytest.mark.parametrize("name", ["a/b", "a,b"])
def test_a_name_that_is_none_is_refused(machine: CloudMachine, name: str) -> None:
    assert only(machine.apply(EnsureUser(name))) is Outcome.FAILED


def test_a_password_is_set_once_per_instance(machine: CloudMachine) -> None:
    ada = EnsureUser("core", passwd="$6$first")
    machine.apply(ada)
    machine.accounts.passwords["core"] = "$6$by-hand"
    machine.apply(ada)
    assert machine.accounts.passwords["core"] == "$6$by-hand"
    machine.apply(ada, instance="i-2")
    assert machine.accounts.passwords["core"] == "$6$first"


def test_a_user_made_anew_gets_its_password(machine: CloudMachine) -> None:
    ada = EnsureUser("ada", passwd="$6$x")
    machine.apply(ada)
    machine.accounts.remove("ada")
    machine.apply(ada)
    assert machine.accounts.passwords["ada"] == "$6$x"


def test_keys_stand_beside_those_of_others(machine: CloudMachine) -> None:
    machine.tree.leaves[KEYS] = Leaf(content=b"ssh-rsa BBBB mine", mode=0o600)
    machine.apply(
        AuthorizeKeys("core", ("ssh-ed25519 A a",), "ssh_authorized_keys"),
        AuthorizeKeys("core", ("ssh-ed25519 M m",), "metadata"),
    )
    text = machine.tree.leaves[KEYS].content.decode()
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        "ssh-rsa BBBB mine",
        "ssh-ed25519 A a",
        "ssh-ed25519 M m",
    ]
    machine.apply(AuthorizeKeys("core", ("ssh-ed25519 M m",), "metadata"))
    assert b"ssh-ed25519 A a" not in machine.tree.leaves[KEYS].content
    machine.apply()
    assert machine.tree.leaves[KEYS].content == b"ssh-rsa BBBB mine\n"


def test_keys_lie_in_directories_of_their_user(machine: CloudMachine) -> None:
    machine.apply(AuthorizeKeys("core", ("key",), "ssh_authorized_keys"))
    for path, mode in (("/home/core", 0o700), ("/home/core/.ssh", 0o700), (KEYS, 0o600)):
        leaf = machine.tree.leaves[path]
        assert (leaf.mode, leaf.owner) == (mode, Owner(1000, 1000))


def test_keys_are_never_written_through_a_users_link(machine: CloudMachine) -> None:
    machine.tree.leaves[KEYS] = Leaf(Kind.LINK, target="/etc/shadow")
    report = machine.apply(AuthorizeKeys("core", ("key",), "ssh_authorized_keys"))
    assert "a link, not a file" in report.errors[0]
    assert machine.tree.leaves[KEYS].target == "/etc/shadow"


@pytest.mark.parametrize("home", ["/", "/nonexistent", "/usr/lib/x", "", "/home/../etc"])
def test_keys_of_a_user_without_a_home_fail(machine: CloudMachine, home: str) -> None:
    machine.accounts.users["core"] = Account("core", 1000, 1000, home)
    report = machine.apply(AuthorizeKeys("core", ("key",), "ssh_authorized_keys"))
    assert only(report) is Outcome.FAILED


def test_roots_keys_need_no_home_made(machine: CloudMachine) -> None:
    machine.accounts.users["root"] = Account("root", 0, 0, "/root")
    assert not machine.apply(AuthorizeKeys("root", ("key",), "users")).errors


def test_a_key_of_two_lines_is_refused(machine: CloudMachine) -> None:
    report = machine.apply(AuthorizeKeys("core", ("a\nb",), "ssh_authorized_keys"))
    assert only(report) is Outcome.FAILED


def test_an_empty_disk_is_formatted_once(machine: CloudMachine) -> None:
    disk = FormatDisk(DISK, "ext4", "data", "storage")
    machine.apply(disk)
    machine.disks.disks[DISK] = Content()
    machine.apply(disk)
    assert machine.disks.made == [DISK]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (Content("xfs", blank=False), "not empty, it holds xfs"),
        (Content("gpt", blank=False), "not empty, it holds gpt"),
        (Content(blank=False), "not empty, it holds data of an unknown kind"),
        (Content(in_use=True, blank=False), "is in use"),
    ],
)
def test_a_disk_with_anything_on_it_is_left_alone(
    machine: CloudMachine, content: Content, says: str
) -> None:
    machine.disks.disks[DISK] = content
    report = machine.apply(FormatDisk(DISK, "ext4", "data", "storage"))
    assert says in report.errors[0]
    assert machine.disks.disks[DISK] == content


@pytest.mark.parametrize("in_use", [False, True])
def test_a_disk_of_a_former_instance_keeps_its_data(machine: CloudMachine, in_use: bool) -> None:  # noqa: FBT001
    content = Content("ext4", "data", "u-1", blank=False, in_use=in_use)
    machine.disks.disks[DISK] = content
    report = machine.apply(FormatDisk(DISK, "ext4", "data", "storage"), instance="i-2")
    assert not report.errors
    assert machine.disks.disks[DISK] == content


def test_a_disk_that_is_missing_is_an_error(machine: CloudMachine) -> None:
    report = machine.apply(FormatDisk("/dev/disk/by-id/other", "ext4", "", "storage"))
    assert "no such disk" in report.errors[0]


def test_a_script_runs_once_per_instance(machine: CloudMachine) -> None:
    script = RunScript(b"#!/bin/sh\necho secret\n")
    machine.apply(script)
    unit = machine.units.calls[0].split()[1]
    machine.apply(script)
    assert len(machine.units.calls) == 1, "it runs already"
    machine.restart()
    name = unit.removeprefix("cloud-config-").removesuffix(".service")
    machine.once["i-1", f"{name}.ended"].text = ""
    machine.apply(script)
    assert machine.units.calls == []
    machine.apply(script, instance="i-2")
    assert len(machine.units.calls) == 1
    leaf = machine.tree.leaves[f"/var/lib/cloud-config/once/i-2/{name}"]
    assert (leaf.content, leaf.mode) == (script.content, 0o700)


def test_a_script_that_takes_the_machine_down_is_given_up(machine: CloudMachine) -> None:
    script = RunScript(b"#!/bin/sh\nreboot --force\n")
    for _ in range(3):
        machine.apply(script)
        assert machine.units.calls
        machine.restart()
    report = machine.apply(script)
    assert machine.units.calls == []
    assert "started 3 times and never ended" in report.errors[0]


def test_a_file_that_is_not_ours_is_never_removed(machine: CloudMachine) -> None:
    report = machine.apply(RemoveFile("/etc/ssh/sshd_config", "units"))
    assert only(report) is Outcome.LEFT
    assert "/etc/ssh/sshd_config" in machine.tree.leaves


def test_a_second_run_at_the_same_time_is_refused(machine: CloudMachine) -> None:
    machine.is_locked = True
    report = machine.apply(HOSTS)
    assert report.errors == ("cloud-config: apply: failed: another cloud-config is running",)
    assert machine.status.text is None


def test_a_damaged_record_is_told_and_replaced(machine: CloudMachine) -> None:
    machine.record.text = '{"format": 1, "files": 3}'
    report = machine.apply(HOSTS)
    assert "not a record" in report.errors[0]
    assert not machine.apply(HOSTS).errors


DAMAGED = [
    "",
    "{",
    "[]",
    "3",
    '{"format": 2}',
    "[" * 100_000,
    '{"changed": 3}',
    "\ufffd",
    "9" * 5000,
]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_of_the_state_never_ends_a_run(machine: CloudMachine, text: str) -> None:
    machine.record.text = machine.instance.text = machine.pending.text = text
    machine.status.text = text
    machine.apply(HOSTS)
    assert machine.tree.leaves["/etc/hosts"].content == HOSTS.content
    report = machine.apply(HOSTS)
    assert not report.errors
    assert Report.from_json(machine.status.text or "") == report


def test_a_machine_without_a_platform_has_an_instance_of_its_own(machine: CloudMachine) -> None:
    machine.apply(HOSTS, instance="")
    assert json.loads(machine.instance.text or "")["instance_id"] == (
        "machine-0123456789abcdef0123456789abcdef"
    )


def test_user_data_are_kept_secret(machine: CloudMachine) -> None:
    path = "/var/lib/cloud-config/user-data"
    machine.apply(HOSTS, user_data=b"#cloud-config\n")
    leaf = machine.tree.leaves[path]
    assert (leaf.mode, leaf.owner, leaf.content) == (0o600, Owner(0, 0), b"#cloud-config\n")
    machine.apply(HOSTS)
    assert path in machine.tree.leaves, "the same instance"
    machine.apply(HOSTS, instance="i-2")
    assert path not in machine.tree.leaves


def test_no_secret_is_told(machine: CloudMachine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "Tr0ub4dor"
    machine.tree.refuses.add("/etc/full")
    report = machine.apply(
        EnsureUser("ada", passwd=secret, groups=("docker",)),
        PutFile("/etc/app", secret.encode(), "write_files"),
        PutFile("/etc/full", secret.encode(), "write_files"),
        RunScript(f"#!/bin/sh\n{secret}\n".encode()),
        user_data=secret.encode(),
    )
    told = [caplog.text, report.as_json(), str(report), machine.status.text or ""]
    told += [machine.record.text or "", machine.instance.text or ""]
    assert not [text for text in told if secret in text]


def test_the_status_says_it_all_again(machine: CloudMachine) -> None:
    report = machine.apply(HOSTS, PutFile("/usr/x", b"", "w"), findings=BROKEN)
    assert Report.from_json(machine.status.text or "") == report
