"""``cloud-config plan``, and the facts of a machine that it is made from."""

import json
from pathlib import Path

import pytest

from cloud_config.cli import main, parser
from cloud_config.commands.plan import state
from cloud_config.machinefacts import read_facts
from cloud_config.planning.actions import (
    AuthorizeKeys,
    EnableUnit,
    EnsureUser,
    LinkFile,
    PutFile,
    RemoveFile,
    SetHostname,
    SetTimezone,
)
from cloud_config.planning.facts import Facts
from cloud_config.planning.metadata import Metadata
from osmodel.faults import UntrustedData
from tests.fakes.cloudmachine import CloudMachine

USER_DATA = """#cloud-config
hostname: from-plan
users:
  - name: alice
    passwd: $6$salt$secret
write_files:
  - path: /etc/cloud-config-plan-test
    content: private $private_ipv4
"""


@pytest.fixture
def user_data(tmp_path: Path) -> Path:
    path = tmp_path / "user-data"
    path.write_text(USER_DATA)
    return path


@pytest.fixture
def metadata(tmp_path: Path) -> Path:
    path = tmp_path / "metadata.json"
    path.write_text(Metadata(private_ipv4="10.0.0.7").as_json())
    return path


def test_a_plan_is_printed_in_order_with_its_origins(
    user_data: Path, metadata: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(user_data), "--metadata", str(metadata)]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].endswith("call the machine from-plan  [hostname]")
    assert "new      make the user alice, set its password  [users]" in lines
    written = "write /etc/cloud-config-plan-test, 16 bytes, mode 0644  [write_files]"
    assert f"new      {written}" in lines


def test_a_plan_shows_no_content_and_no_password(
    user_data: Path, metadata: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    main(["plan", str(user_data), "--metadata", str(metadata)])
    main(["plan", "--json", str(user_data), "--metadata", str(metadata)])
    output = capfd.readouterr().out
    assert "secret" not in output
    assert "private 10" not in output


def test_a_plan_for_programs_has_the_same_actions(
    user_data: Path, metadata: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--json", str(user_data), "--metadata", str(metadata)]) == 0
    table = json.loads(capfd.readouterr().out)
    kinds = [action["action"] for action in table["actions"]]
    assert kinds == ["set-hostname", "ensure-user", "put-file", "put-file"]
    assert table["actions"][2]["path"] == "/etc/cloud-config-plan-test"
    assert table["actions"][2]["frequency"] == "every-boot"
    assert table["findings"] == []


def test_what_cannot_be_done_is_told_and_is_an_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "user-data"
    path.write_text("#cloud-config\nwrite_files:\n  - path: /usr/bin/x\n    content: x\n")
    assert main(["plan", str(path)]) == 1
    assert "line 3: error: file cannot be written" in capfd.readouterr().out


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """What a machine keeps of a document with a file, a unit and a key."""
    machine = CloudMachine()
    machine.apply(
        PutFile("/etc/old", b"x", "write_files"),
        PutFile("/etc/systemd/system/old.service", b"[Service]", "coreos.units"),
        EnableUnit("old.service", runtime=False, origin="coreos.units"),
        AuthorizeKeys("core", ("ssh-ed25519 AAAA me",), "ssh_authorized_keys"),
    )
    path = tmp_path / "state.json"
    path.write_text(machine.record.text or "")
    return path


def planned(capfd: pytest.CaptureFixture[str], record: Path, *words: str) -> list[str]:
    options = parser().parse_args(["plan", *words])
    options.record = record
    options.run(options)
    return capfd.readouterr().out.splitlines()


def test_a_plan_shows_what_is_taken_back(
    user_data: Path, record: Path, metadata: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = planned(capfd, record, str(user_data), "--metadata", str(metadata))
    assert lines[:5] == [
        "removes  stop old.service unless the image has it  [coreos.units]",
        "removes  disable old.service  [coreos.units]",
        "removes  remove /etc/old  [write_files]",
        "removes  remove /etc/systemd/system/old.service  [coreos.units]",
        "removes  take back the keys of ssh_authorized_keys from core  [ssh_authorized_keys]",
    ]


def test_a_document_with_errors_takes_nothing_back(
    tmp_path: Path, record: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "user-data"
    path.write_text("#cloud-config\nwrite_files:\n  - path: /usr/bin/x\n    content: x\n")
    lines = planned(capfd, record, str(path))
    assert not [line for line in lines if line.startswith("removes")]


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_record_is_named(
    user_data: Path, record: Path, capfd: pytest.CaptureFixture[str], text: str
) -> None:
    record.write_text(text)
    assert any("former documents" in line for line in planned(capfd, record, str(user_data)))


def test_metadata_that_are_none_are_refused(user_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "metadata.json"
    path.write_text("[]")
    assert main(["plan", str(user_data), "--metadata", str(path)]) == UntrustedData.exit_status


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file or directory"),
        ('{"private_ip": "10.0.0.1"}', "private_ip: unknown key"),
        ('{"private_ipv4": "10.0.0"}', "private_ipv4: '10.0.0' is no address"),
        ('{"public_ipv6": "10.0.0.1"}', "public_ipv6: '10.0.0.1' is no address"),
    ],
)
def test_metadata_that_say_nothing_are_an_error(
    user_data: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    text: str | None,
    message: str,
) -> None:
    path = tmp_path / "metadata.json"
    if text is not None:
        path.write_text(text)
    assert main(["plan", str(user_data), "--metadata", str(path)]) == 2
    assert f"metadata.json: {message}" in capfd.readouterr().err


def test_a_missing_file_is_the_operator_s_mistake(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "/nonexistent/file"]) == 2
    assert "cloud-config: /nonexistent/file: No such file" in capfd.readouterr().err


def test_actions_are_compared_with_the_machine(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    same = tmp_path / "etc/same"
    same.write_bytes(b"x")
    same.chmod(0o644)
    (tmp_path / "etc/link").symlink_to("/dev/null")
    facts = Facts(hostname="a", users=frozenset({"core"}))

    assert state(PutFile("/etc/same", b"x"), facts, tmp_path) == "same"
    assert state(PutFile("/etc/same", b"y"), facts, tmp_path) == "changes"
    assert state(PutFile("/etc/same", b"x", mode=0o600), facts, tmp_path) == "changes"
    assert state(PutFile("/etc/new", b"x"), facts, tmp_path) == "new"
    assert state(PutFile("/etc/same/below", b"x"), facts, tmp_path) == ""
    assert state(LinkFile("/etc/link", "/dev/null", ""), facts, tmp_path) == "same"
    assert state(LinkFile("/etc/same", "/dev/null", ""), facts, tmp_path) == "changes"
    assert state(LinkFile("/etc/none", "/dev/null", ""), facts, tmp_path) == "new"
    assert state(SetHostname("a"), facts, tmp_path) == "same"
    assert state(EnsureUser("core"), facts, tmp_path) == "same"
    assert state(SetTimezone("UTC"), facts, tmp_path) == ""
    assert state(RemoveFile("/etc/same", ""), facts, tmp_path) == "removes"


def test_the_facts_of_a_machine_are_read_from_its_files(tmp_path: Path) -> None:
    for name, text in {
        "proc/sys/kernel/hostname": "web\n",
        "etc/passwd": "root:x:0:0::/root:/bin/bash\ncore:x:1000:1000::/home/core:/bin/bash\n",
        "etc/environment": "A=b\n",
        "etc/coreos/update.conf": "GROUP=a\n",
        "usr/share/coreos/update.conf": "GROUP=b\n",
        "usr/lib/systemd/system/etcd.service": "",
        "etc/systemd/system/own.service": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "home").symlink_to("var/home")
    (tmp_path / "root").symlink_to("/var/roothome")

    assert read_facts(Metadata(hostname="x"), tmp_path) == Facts(
        hostname="web",
        users=frozenset({"root", "core"}),
        units=frozenset({"etcd.service", "own.service"}),
        links={"/home": "/var/home", "/root": "/var/roothome"},
        update_conf="GROUP=a\n",
        update_conf_default="GROUP=b\n",
        environment="A=b\n",
        metadata=Metadata(hostname="x"),
    )


def test_a_bare_machine_has_no_facts(tmp_path: Path) -> None:
    assert read_facts(Metadata(), tmp_path) == Facts(units=frozenset())


def test_bytes_that_are_no_text_do_not_stop_a_start(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/environment").write_bytes(b"A=\xff\n")
    assert read_facts(Metadata(), tmp_path).environment == "A=\udcff\n"


def test_the_plan_command_has_help(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--help"]) == 0
    assert "without doing it" in capfd.readouterr().out
