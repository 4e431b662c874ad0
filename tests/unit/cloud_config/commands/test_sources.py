"""``cloud-config sources`` says where a machine looks, and what it used."""

import argparse
import io
import json
from pathlib import Path

from cloud_config.cli import parser
from cloud_config.commands.sources import run
from cloud_config.planning.metadata import Metadata
from cloud_config.state.report import Progress, Report
from tests.fakes.sourceworld import command_line, firmware


def shown(root: Path, *, json_form: bool = False) -> str:
    out = io.StringIO()
    assert run(argparse.Namespace(json=json_form), root, out) == 0
    return out.getvalue()


def configured(root: Path, source: str) -> None:
    directory = root / "run" / "cloud-config"
    directory.mkdir(parents=True)
    report = Report(Progress.DONE, "i-1", source)
    (directory / "status.json").write_text(report.as_json())
    metadata = Metadata(source=source, instance_id="i-1")
    (directory / "metadata.json").write_text(metadata.as_json())


def test_a_bare_machine_names_no_platform(tmp_path: Path) -> None:
    text = shown(tmp_path)
    assert "platform: none" in text
    assert "ec2" not in text
    assert "*" not in text


def test_the_source_in_use_is_marked(tmp_path: Path) -> None:
    firmware(tmp_path, sys_vendor="Amazon EC2")
    configured(tmp_path, "ec2")
    lines = shown(tmp_path).splitlines()
    assert lines[:2] == ["platform: ec2", "instance: i-1"]
    assert [line for line in lines if line.startswith("*")] == [
        "* ec2             once the network is up"
    ]


def test_programs_get_json(tmp_path: Path) -> None:
    command_line(tmp_path, "cloud-config-url=http://x/")
    configured(tmp_path, "url")
    table = json.loads(shown(tmp_path, json_form=True))
    assert table["platform"] is None
    assert table["sources"][0] == {"name": "url", "stage": "network", "used": True}


def test_damaged_files_are_no_reason_not_to_answer(tmp_path: Path) -> None:
    configured(tmp_path, "nocloud")
    for name in ("status.json", "metadata.json"):
        (tmp_path / "run" / "cloud-config" / name).write_text("{")
    assert "*" not in shown(tmp_path)


def test_the_command_is_known() -> None:
    assert parser(("sources",)).parse_args(["sources", "--json"]).json
