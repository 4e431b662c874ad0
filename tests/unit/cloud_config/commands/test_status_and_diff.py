"""``cloud-config status`` and ``diff``: what they print and how they end."""

import io
import json

import pytest

from cloud_config.apply.drift import Difference, Drift, differences
from cloud_config.cli import parser
from cloud_config.commands import diff, status
from cloud_config.document.findings import Finding, Level
from cloud_config.planning.actions import AuthorizeKeys, PutFile, SetHostname
from cloud_config.planning.record import Record, Written, of_digest
from cloud_config.state.paths import once_directory, once_file
from cloud_config.state.report import Progress, Report
from hostio.files.guardedtree import Entry, Kind, Owner
from osmodel.faults import UntrustedData
from tests.fakes.cloudmachine import CloudMachine
from tests.fakes.ramtree import Leaf

FILE = Entry(Kind.FILE, "aa", mode=0o644)
OTHER = Entry(Kind.FILE, "bb", mode=0o644)
LINK = Entry(Kind.LINK, target="/usr/lib/systemd/system/x.service")


def said(machine: CloudMachine, *words: str) -> tuple[int, str]:
    out = io.StringIO()
    options = parser().parse_args(list(words))
    verb = {"status": status, "diff": diff}[words[0]]
    return verb.run(options, machine.world, out), out.getvalue()


def drift_of(path: str, image: Entry | None, now: Entry | None, *ours: str) -> Drift | None:
    record = Record({path: Written("units", tuple(map(of_digest, ours)))} if ours else {})
    found = differences({path: image} if image else {}, {path: now} if now else {}, record)
    return found[0].drift if found else None


@pytest.mark.parametrize(
    ("image", "now", "ours", "drift"),
    [
        (FILE, FILE, (), None),
        (FILE, OTHER, (), Drift.CHANGED),
        (FILE, LINK, (), Drift.CHANGED),
        (FILE, None, (), Drift.DELETED),
        (None, FILE, (), Drift.ADDED),
        (FILE, OTHER, ("bb",), Drift.CONFIGURED),
        (None, OTHER, ("bb",), Drift.CONFIGURED),
        (FILE, FILE, ("aa",), Drift.CONFIGURED),
        (FILE, OTHER, ("cc",), Drift.EDITED),
        (FILE, OTHER, ("bb", "cc"), Drift.CONFIGURED),
        (FILE, None, ("bb",), Drift.MISSING),
        (FILE, Entry(Kind.FILE, "aa", mode=0o600), (), Drift.CHANGED),
        (FILE, Entry(Kind.FILE, "aa", mode=0o644, owner=Owner(7, 7)), (), Drift.CHANGED),
    ],
)
def test_three_states_make_a_drift(
    image: Entry | None, now: Entry | None, ours: tuple[str, ...], drift: Drift | None
) -> None:
    assert drift_of("/etc/x", image, now, *ours) is drift


@pytest.mark.parametrize(
    ("path", "now", "drift"),
    [
        ("/etc/machine-id", FILE, Drift.MACHINE),
        ("/etc/ssh/ssh_host_ed25519_key.pub", FILE, Drift.MACHINE),
        ("/etc/shadow-", FILE, Drift.MACHINE),
        ("/etc/systemd/system/x.service", LINK, Drift.MACHINE),
        ("/etc/systemd/system/multi-user.target.wants/x.service", LINK, Drift.MACHINE),
        ("/etc/systemd/system/x.service", FILE, Drift.ADDED),
        ("/etc/systemd/system/x.service", Entry(Kind.LINK, target="/dev/null"), Drift.ADDED),
        ("/etc/systemd/system/x.service.d/1.conf", FILE, Drift.ADDED),
        ("/etc/ssh/sshd_config.d/x.conf", FILE, Drift.ADDED),
        ("/etc/sudoers.d/x", FILE, Drift.ADDED),
    ],
)
def test_what_the_machine_makes_is_told_apart(path: str, now: Entry, drift: Drift) -> None:
    assert drift_of(path, None, now) is drift


def test_a_mode_is_named() -> None:
    found = differences({"/etc/x": FILE}, {"/etc/x": Entry(Kind.FILE, "aa", mode=0o666)}, Record())
    assert found == (Difference("/etc/x", Drift.CHANGED, what="mode or owner"),)


def test_a_machine_as_its_image_has_no_differences() -> None:
    assert said(CloudMachine(), "diff") == (0, "")


def test_what_cloud_config_wrote_is_no_drift() -> None:
    machine = CloudMachine()
    machine.apply(SetHostname("web"), PutFile("/var/lib/app", b"x", "write_files"))
    assert said(machine, "diff") == (
        0,
        "configured  /etc/hostname (hostname)\nconfigured  /var/lib/app (write_files)\n",
    )


def test_what_was_changed_by_hand_is() -> None:
    machine = CloudMachine()
    machine.apply(SetHostname("web"), PutFile("/var/lib/app", b"x", "write_files"))
    machine.tree.leaves["/etc/hostname"] = Leaf(content=b"db\n")
    del machine.tree.leaves["/var/lib/app"]
    machine.tree.leaves["/etc/motd"] = Leaf(content=b"hi\n")
    machine.tree.leaves["/etc/machine-id"] = Leaf(content=b"0")
    ended, text = said(machine, "diff")
    assert ended == 1
    assert text.splitlines() == [
        "edited      /etc/hostname (hostname)",
        "added       /etc/motd",
        "missing     /var/lib/app (write_files)",
    ]
    assert "machine     /etc/machine-id" in said(machine, "diff", "--all")[1]
    table = json.loads(said(machine, "diff", "--json")[1])
    assert table["differences"][1] == {
        "path": "/etc/motd", "drift": "added", "origin": "", "what": "",
    }  # fmt: skip


def test_lines_are_shown_of_files_for_everybody_alone() -> None:
    machine = CloudMachine()
    machine.tree.leaves["/etc/hosts"] = Leaf(content=b"127.0.0.1 me")
    machine.tree.leaves["/etc/secret"] = Leaf(content=b"s3cret", mode=0o600)
    machine.tree.leaves["/etc/binary"] = Leaf(content=b"\xff\x00")
    text = said(machine, "diff", "--text")[1]
    assert "-127.0.0.1 localhost\n+127.0.0.1 me\n" in text
    assert "s3cret" not in text
    assert text.count("not shown") == 2


def test_a_boot_without_user_data_is_fine() -> None:
    ended, text = said(CloudMachine(), "status")
    assert (ended, text.split(":")[0]) == (0, "nothing")


def test_what_is_in_force_is_told() -> None:
    machine = CloudMachine()
    machine.apply(SetHostname("web"))
    ended, text = said(machine, "status")
    assert ended == 0
    assert text.splitlines() == [
        "done",
        "  instance: i-1",
        "  source:   test",
        "  applied:  2026-01-01T00:00:00+00:00",
        "  actions:  1, 1 changed something",
    ]
    assert "hostname: set-hostname web: changed" in said(machine, "status", "-v")[1]


def test_every_error_is_told() -> None:
    machine = CloudMachine()
    machine.apply(
        PutFile("/usr/x", b"", "write_files"),
        AuthorizeKeys("eve", ("k",), "users"),
        findings=(Finding(2, Level.ERROR, "bad"), Finding(3, Level.WARNING, "odd")),
    )
    ended, text = said(machine, "status")
    assert ended == 1
    assert text.startswith("degraded\n")
    assert "error: line 2: error: bad\n" in text
    assert "error: users: authorize-keys eve: failed: no user 'eve' on this machine\n" in text
    assert "warning: line 3: warning: odd\n" in text
    table = json.loads(said(machine, "status", "--json")[1])
    assert (table["stage"], len(table["errors"]), len(table["warnings"])) == ("degraded", 3, 1)


def test_a_run_under_way_can_be_waited_for() -> None:
    machine = CloudMachine()
    machine.status.text = Report(Progress.RUNNING, "i-1").as_json()
    machine.is_locked = True
    assert said(machine, "status")[0] == 75
    assert said(machine, "status", "--wait")[0] == 75
    assert machine.clock.monotonic() >= 600


def test_a_first_run_of_two_is_not_the_end() -> None:
    machine = CloudMachine()
    machine.apply(SetHostname("web"), with_commands=False)
    ended, text = said(machine, "status")
    assert (ended, text.splitlines()[0]) == (75, "waiting")
    machine.apply(SetHostname("web"))
    assert said(machine, "status", "--wait")[0] == 0


def test_a_run_that_was_killed_is_an_error() -> None:
    machine = CloudMachine()
    machine.status.text = Report(Progress.RUNNING, "i-1").as_json()
    ended, text = said(machine, "status", "--wait")
    assert ended == 1
    assert "interrupted before its end" in text


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"format": 2}', '{"stage": "x"}'])
def test_damaged_files_are_refused(text: str) -> None:
    with pytest.raises(UntrustedData):
        Record.from_json(text)
    with pytest.raises(UntrustedData):
        Report.from_json(text)


def test_a_record_is_read_as_it_was_written() -> None:
    machine = CloudMachine()
    machine.apply(SetHostname("web"), PutFile("/etc/hosts", b"x", "w"))
    machine.apply(SetHostname("web"), AuthorizeKeys("core", ("k",), "users"))
    record = machine.written()
    assert set(record.defaults) == {"/etc/hosts"}
    assert Record.from_json(record.as_json()) == record


@pytest.mark.parametrize("text", ["i-0abc", "a" * 64, "2.example"])
def test_a_plain_instance_has_a_directory_of_its_name(text: str) -> None:
    assert once_directory(text).name == text


@pytest.mark.parametrize(
    "text", ["", ".", "..", "../../etc", "a/b", "a\0", "a" * 65, "\ud800", "ä"]
)
def test_another_has_one_of_its_digest(text: str) -> None:
    assert once_directory(text).name.startswith("id-")
    assert once_file("i-1", f"user-{text}").parent == once_directory("i-1")
