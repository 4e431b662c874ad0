"""Units that neither the document nor the image has."""

from pathlib import Path

import pytest

from cloud_config.cli import main
from cloud_config.document.findings import Level
from cloud_config.document.interpreting import interpret
from cloud_config.planning.facts import Facts
from cloud_config.planning.plan import plan

IMAGE = Facts(units=frozenset({"etcd.service", "getty@.service", "own.service"}))


def remarks(text: str, facts: Facts = IMAGE) -> list[str]:
    document = interpret(f"#cloud-config\n{text}".encode(), {}).document
    return [
        f"{finding.level} {finding.message}"
        for finding in plan(document, facts).findings
        if "does not bring" in finding.message or "neither the document" in finding.message
    ]


def units(*items: str) -> str:
    return "coreos:\n  units:\n" + "".join(f"  - {{{item}}}\n" for item in items)


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        ("name: fleet.service, command: start", "started"),
        ("name: docker.service, enable: true", "enabled"),
        ("name: a.timer, enable: true, command: restart", "enabled and restarted"),
        ("name: a.service, drop_ins: [{name: b.conf, content: x}]", "extended"),
        ("name: a@b.service, command: start", "started"),
        ("name: a.service, command: try-restart", "asked to try-restart"),
    ],
)
def test_a_unit_that_is_missing_is_named_with_what_was_wanted(item: str, wanted: str) -> None:
    (said,) = remarks(units(item))
    assert said.startswith("warning coreos.units: ")
    assert f"is {wanted}, but neither the document nor this image has it" in said


@pytest.mark.parametrize(
    "item",
    [
        "name: own.service, command: start",
        "name: etcd2.service, command: start",
        "name: getty@tty5.service, enable: true",
        "name: fleet.service, mask: true",
        "name: fleet.service",
        "name: a.service, drop_ins: [{name: b.conf}]",
        "name: a.service, content: '[Service]', command: start",
        "name: 10-x.network, content: '[Match]'",
        "name: machine-x.slice, command: start",
    ],
)
def test_a_unit_that_is_there_or_not_needed_is_not_named(item: str) -> None:
    assert not remarks(units(item))


BROUGHT = [
    "write_files: [{path: /etc/systemd/system/a.service, content: x}]\n",
    "write_files: [{path: /etc/containers/systemd/a.container, content: x}]\n",
    "podman: {quadlets: [{name: a.container, content: x}]}\n",
    "podman: {quadlets: [{name: b.pod, content: 'ServiceName=a'}]}\n",
]


@pytest.mark.parametrize("way", BROUGHT)
def test_a_document_may_bring_a_unit_in_many_ways(way: str) -> None:
    assert not remarks(way + units("name: a.service, command: start"))


def test_a_mount_of_a_data_disk_is_there() -> None:
    storage = "storage: {filesystems: [{device: /dev/vdb, path: /var/lib/x}]}\n"
    assert not remarks(storage + units("name: var-lib-x.mount, command: start"))


def test_what_takes_the_place_of_a_unit_of_old_is_said() -> None:
    (said,) = remarks(units("name: docker.service, command: start"))
    assert "see podman.quadlets" in said


def validated(tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str) -> list[str]:
    path = tmp_path / "user-data"
    path.write_text(f"#cloud-config\n{text}")
    assert main(["validate", str(path)]) == 0
    return capfd.readouterr().out.splitlines()


def test_validate_knows_what_no_image_has(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = units(
        "name: docker.service, command: start",
        "name: mine.service, command: start",
        "name: systemd-timesyncd.service, command: restart",
        "name: etcd2.service, command: start",
    )
    first, second = validated(tmp_path, capfd, text)
    assert first.startswith("line 4: warning: coreos.units: docker.service is started, but")
    assert second.startswith("line 5: info: coreos.units: mine.service is started, but")
    assert "`cloud-config plan` on the machine knows" in second


def test_a_remark_on_a_unit_is_no_error() -> None:
    document = interpret(f"#cloud-config\n{units('name: x.service, enable: y')}".encode(), {})
    findings = plan(document.document, IMAGE).findings
    assert [finding.level for finding in findings] == [Level.WARNING]
