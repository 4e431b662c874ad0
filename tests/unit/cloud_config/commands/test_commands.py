"""``cloud-config validate`` and ``schema``, and ``coreos-cloudinit`` as it was called before."""

import io
import json
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from cloud_config import cli
from cloud_config.commands import compatible, goflags
from cloud_config.document.budget import MAX_BYTES
from osmodel.faults import InvalidInput, TransientFailure

GOOD = "#cloud-config\nhostname: a\n"
WARNED = "#cloud-config\nhostname: a\nbad: 1\n"
WRONG = "#cloud-config\nbad: 1\nmanage_etc_hosts: x\n"
IGNITION = '{"ignition": {"version": "3.4.0"}}'


@pytest.fixture
def user_data(tmp_path: Path) -> Path:
    return tmp_path / "user_data"


Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("text", "status", "lines"),
    [
        (GOOD, 0, []),
        ("#!/bin/sh\n", 0, []),
        ("", 0, []),
        (WARNED, 0, ['line 3: warning: unrecognized key "bad"']),
        (
            WRONG,
            1,
            [
                'line 2: warning: unrecognized key "bad"',
                'line 3: error: invalid value x for "manage_etc_hosts" (allowed: localhost)',
            ],
        ),
        ("x", 1, ['line 1: error: must be "#cloud-config" or begin with "#!"']),
    ],
)
def test_each_finding_is_a_line_and_errors_decide(
    user_data: Path, capfd: Captured, text: str, status: int, lines: list[str]
) -> None:
    user_data.write_text(text)
    assert cli.main(["validate", str(user_data)]) == status
    captured = capfd.readouterr()
    assert captured.out.splitlines() == lines
    assert not captured.err


def test_findings_are_told_as_json(user_data: Path, capfd: Captured) -> None:
    user_data.write_text(WRONG)
    assert cli.main(["validate", "--json", str(user_data)]) == 1
    assert json.loads(capfd.readouterr().out) == [
        {"line": 2, "kind": "warning", "message": 'unrecognized key "bad"'},
        {
            "line": 3,
            "kind": "error",
            "message": 'invalid value x for "manage_etc_hosts" (allowed: localhost)',
        },
    ]


def test_no_findings_are_an_empty_array(user_data: Path, capfd: Captured) -> None:
    user_data.write_text(GOOD)
    assert cli.main(["validate", "--json", str(user_data)]) == 0
    assert json.loads(capfd.readouterr().out) == []


def test_a_hyphen_is_standard_input(capfd: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(WRONG.encode())))
    assert cli.main(["validate", "-"]) == 1
    assert "line 3: error" in capfd.readouterr().out


def test_a_missing_file_is_wrong_input(user_data: Path, capfd: Captured) -> None:
    assert cli.main(["validate", str(user_data)]) == 2
    assert "No such file" in capfd.readouterr().err


def test_a_huge_file_is_not_read_to_its_end(capfd: Captured) -> None:
    assert cli.main(["validate", "/dev/zero"]) == 1
    assert f"larger than {MAX_BYTES} bytes" in capfd.readouterr().out


def test_the_schema_is_one(capfd: Captured) -> None:
    assert cli.main(["schema"]) == 0
    Draft202012Validator.check_schema(json.loads(capfd.readouterr().out))


class Machine:
    """Notes what it is told to do."""

    def __init__(self, status: int = 0) -> None:
        self.applied: list[tuple[str, str]] = []
        self.searches = 0
        self._status = status

    @property
    def world(self) -> compatible.CompatibleWorld:
        return compatible.CompatibleWorld(self._apply, self._search, self._fetch)

    def _apply(self, data: bytes, source: str) -> int:
        self.applied.append((data.decode(), source))
        return self._status

    def _search(self) -> int:
        self.searches += 1
        return self._status

    def _fetch(self, url: str) -> bytes:
        if "missing" in url:
            raise TransientFailure(f"{url}: not there")
        return WARNED.encode()


@pytest.mark.parametrize("flag", ["-from-file", "--from-file"])
@pytest.mark.parametrize("validate", ["-validate", "--validate", "--validate=true"])
@pytest.mark.parametrize(("text", "status"), [(GOOD, 0), (WARNED, 1), (WRONG, 1), (IGNITION, 0)])
def test_the_old_validator_fails_on_any_finding(
    user_data: Path, flag: str, validate: str, text: str, status: int
) -> None:
    user_data.write_text(text)
    assert cli.main([flag, str(user_data), validate]) == status
    assert cli.coreos_cloudinit([validate, f"{flag}={user_data}"]) == status


def test_the_old_validator_prints_the_same_lines(user_data: Path, capfd: Captured) -> None:
    user_data.write_text(WRONG)
    cli.coreos_cloudinit(["-validate", "-from-file", str(user_data)])
    assert capfd.readouterr().out.splitlines() == [
        'line 2: warning: unrecognized key "bad"',
        "line 3: error: invalid value x",
    ]


def test_ignition_is_left_alone_and_told(user_data: Path, capfd: Captured) -> None:
    user_data.write_text(IGNITION)
    machine = Machine()
    assert compatible.run(["-from-file", str(user_data)], machine.world) == 0
    assert not machine.applied
    assert "Ignition" in capfd.readouterr().err


def test_a_file_is_applied(user_data: Path) -> None:
    user_data.write_text(GOOD)
    machine = Machine()
    assert compatible.run(["--from-file", str(user_data)], machine.world) == 0
    assert machine.applied == [(GOOD, str(user_data))]


@pytest.mark.parametrize(
    ("flag", "below"),
    [("-from-configdrive", "openstack/latest/user_data"), ("-from-waagent", "CustomData")],
)
def test_a_directory_is_looked_into(tmp_path: Path, flag: str, below: str) -> None:
    file = tmp_path / below
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(GOOD)
    machine = Machine()
    assert compatible.run([flag, str(tmp_path)], machine.world) == 0
    assert machine.applied == [(GOOD, str(file))]


@pytest.mark.parametrize(
    "flags",
    [
        ["-from-metadata-service"],
        ["-from-ec2-metadata=http://169.254.169.254/"],
        ["-from-proc-cmdline"],
        ["-oem", "vmware"],
    ],
)
def test_other_sources_are_left_to_the_search(flags: list[str]) -> None:
    machine = Machine()
    assert compatible.run(flags, machine.world) == 0
    assert (machine.searches, machine.applied) == (1, [])


def test_a_url_is_read() -> None:
    machine = Machine()
    url = "https://example.com/user-data"
    assert compatible.run(["-from-url", url], machine.world) == 0
    assert machine.applied == [(WARNED, url)]
    assert compatible.run(["-from-url", url, "-validate"], machine.world) == 1
    assert compatible.run(["-from-url", "https://missing.example/"], machine.world) == 1
    assert len(machine.applied) == 1


def test_what_is_searched_for_cannot_be_validated(capfd: Captured) -> None:
    assert compatible.run(["-from-proc-cmdline", "-validate"], Machine().world) == 2
    assert "needs a file" in capfd.readouterr().err


def test_a_failure_may_be_ignored(user_data: Path) -> None:
    user_data.write_text(GOOD)
    flags = ["--from-file", str(user_data)]
    assert compatible.run(flags, Machine(status=74).world) == 1
    assert compatible.run([*flags, "--ignore-failure"], Machine(status=74).world) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "Provide at least one of --from-file"),
        (["-from-file", ""], "Provide at least one of --from-file"),
        (["-from-proc-cmdline=false"], "Provide at least one of --from-file"),
        (["-oem", "tin"], 'Invalid option to -oem: "tin". Supported options: ["digitalocean"'),
        (["-convert-netconf", "x"], "Invalid option to -convert-netconf: 'x'. Supported options:"),
        (["-from-fiel", "x"], "flag provided but not defined: -from-fiel"),
        (["-from-file"], "flag needs an argument: -from-file"),
        (["-validate=maybe"], 'invalid boolean value "maybe" for -validate'),
    ],
)
def test_bad_flags_are_refused(capfd: Captured, flags: list[str], message: str) -> None:
    assert compatible.run(flags, Machine().world) == 2
    captured = capfd.readouterr()
    assert message in captured.out + captured.err


def test_a_missing_file_is_no_source(user_data: Path) -> None:
    assert compatible.run(["-from-file", str(user_data)], Machine().world) == 1
    assert compatible.run(["-from-file", str(user_data), "-validate"], Machine().world) == 1


def test_the_version_and_the_flags_are_told(capfd: Captured) -> None:
    assert cli.coreos_cloudinit(["-version"]) == 0
    assert capfd.readouterr().out.startswith("coreos-cloudinit ")
    assert cli.coreos_cloudinit(["-help"]) == 0
    assert "-from-waagent" in capfd.readouterr().err


def test_flags_end_where_go_ends_them() -> None:
    flags = {"a": True, "b": False}
    assert goflags.parsed(["-a", "-b", "-x", "--", "-c"], flags) == (
        {"a": "true", "b": "-x"},
        ["-c"],
    )
    assert goflags.parsed(["-a=F", "-", "-b"], flags) == ({"a": "false"}, ["-", "-b"])
    with pytest.raises(InvalidInput):
        goflags.parsed(["---a"], flags)
