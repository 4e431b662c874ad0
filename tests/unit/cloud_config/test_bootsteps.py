"""A machine's start in two stages, from its sources to what it becomes."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from cloud_config.bootsteps import NETWORK_UNIT, BootWorld, run
from cloud_config.document.certificates import read_certificates
from cloud_config.planning.authorities import BUNDLE
from cloud_config.planning.metadata import Metadata
from cloud_config.sources.choosing import Stage
from cloud_config.sources.platforms import Platform
from cloud_config.sources.settings import Settings
from cloud_config.state.report import Progress, Report
from hostio.system.runner import Command
from osmodel.faults import HostFailure
from tests.checkout import ROOT
from tests.fakes.cloudmachine import CloudMachine
from tests.fakes.media import RamMedia
from tests.fakes.metadata.platforms import KEY, Azure, Ec2, ovf_environment
from tests.fakes.metadata.service import MetadataServer, serving
from tests.fakes.ramfile import RamFile
from tests.fakes.ramtree import Leaf
from tests.fakes.runner import ScriptedRunner, failing
from tests.fakes.sourceworld import firmware, source_world
from tests.unit.cloud_config.sources.test_choosing import MACHINES

OWN = json.dumps([{"addr_info": [{"local": "10.0.2.15"}]}]).encode()
GREETING = b"#cloud-config\nhostname: one\nwrite_files:\n- path: /etc/greeting\n  content: hello\n"
WITH_ADDRESS = b"""#cloud-config
write_files:
- path: /etc/address
  content: $private_ipv4
coreos:
  units:
  - name: web.service
    command: start
    content: |
      [Service]
      ExecStart=/bin/true
"""


class Start:
    """One machine with its sources, which can be started again and again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.machine = CloudMachine()
        self.metadata = RamFile()
        self.remembered = RamFile()
        self.runner = ScriptedRunner(systemctl=b"", ip=OWN)
        self.media = RamMedia()
        self.server: MetadataServer | None = None

    def run(self, stage: Stage, settings: Settings | None = None) -> None:
        sources = source_world(
            self.root,
            media=self.media,
            runner=self.runner,
            settings=settings or Settings(deadline_s=30),
            address="http://127.0.0.1:9" if self.server is None else self.server.url,
        )
        run(stage, BootWorld(sources, lambda: self.machine.world, self.metadata, self.remembered))

    def whole(self) -> None:
        """Both stages, the second if the first asked for it."""
        before = len(self.queued)
        self.run(Stage.LOCAL)
        if len(self.queued) > before:
            self.run(Stage.NETWORK)

    def insert(self, name: str, **files: bytes) -> None:
        """Put a medium in; underscores in file names are dashes."""
        directory = self.root / name
        directory.mkdir(exist_ok=True)
        for file, content in files.items():
            (directory / file.replace("_", "-")).write_bytes(content)
        self.media = RamMedia({"cidata": directory})

    @property
    def queued(self) -> list[Command]:
        return [one for one in self.runner.commands if NETWORK_UNIT in one.argv]

    @property
    def report(self) -> Report:
        return Report.from_json(self.machine.status.text or "")

    @property
    def files(self) -> Mapping[str, bytes]:
        leaves = self.machine.tree.leaves
        return {path: leaf.content for path, leaf in leaves.items() if path.startswith("/etc/")}

    @property
    def said(self) -> Metadata:
        return Metadata.from_json(self.metadata.text or "")


@pytest.fixture
def start(tmp_path: Path) -> Start:
    return Start(tmp_path)


def test_a_machine_without_a_source_is_left_alone(start: Start) -> None:
    start.run(Stage.LOCAL)
    assert not start.runner.commands
    assert start.machine.status.text is None
    assert start.machine.record.text is None


def test_a_medium_configures_the_machine_before_its_network(start: Start) -> None:
    start.insert("seed", user_data=GREETING, meta_data=b"instance-id: i-1\n")
    start.run(Stage.LOCAL)
    assert start.machine.name.name == "one"
    assert start.files["/etc/greeting"] == b"hello"
    assert not start.queued
    assert (start.report.stage, start.report.source) == (Progress.DONE, "nocloud")
    assert start.said.instance_id == "i-1"


def test_authorities_come_after_those_of_the_image(start: Start) -> None:
    (start.root / "etc/ssl/certs").mkdir(parents=True)
    (start.root / "etc/ssl/certs/ca-certificates.crt").write_text("not asked\n")
    start.machine.image.leaves[BUNDLE] = Leaf(content=b"-- image --\n")
    certificate = read_certificates((ROOT / "docs/usage/cloud-config.md").read_text())[0]
    lines = "".join(f"    {line}\n" for line in certificate.pem.splitlines())
    text = f"#cloud-config\nca_certs:\n  trusted:\n  - |\n{lines}"
    start.insert("seed", user_data=text.encode(), meta_data=b"")
    start.run(Stage.LOCAL)
    assert not start.report.errors
    found = start.files[BUNDLE].decode()
    assert found.startswith("-- image --\n")
    assert found.endswith(certificate.pem)


def test_the_network_stage_does_the_same_again_without_harm(start: Start) -> None:
    start.insert("seed", user_data=GREETING, meta_data=b"instance-id: i-1\n")
    start.run(Stage.LOCAL)
    before = start.files
    start.run(Stage.NETWORK)
    after = dict(start.files)
    assert after.pop("/etc/environment").startswith(b"COREOS_PRIVATE_IPV4=10.0.2.15")
    assert after == before
    assert start.report.stage is Progress.DONE


def test_a_platform_is_asked_once_the_network_is_up(start: Start) -> None:
    firmware(start.root, sys_vendor="Amazon EC2")
    with serving(Ec2()) as start.server:
        start.run(Stage.LOCAL)
        assert len(start.queued) == 1
        assert "--no-block" in start.queued[0].argv
        assert start.machine.status.text is None
        assert not start.server.asked
        start.run(Stage.NETWORK)
    assert start.machine.name.name == "by-user-data"
    assert KEY in str(start.machine.tree.leaves)
    assert start.report.source == "ec2"


def test_an_address_that_no_source_names_is_the_machines_own(start: Start) -> None:
    start.insert("seed", user_data=WITH_ADDRESS, meta_data=b"instance-id: i-1\n")
    start.run(Stage.LOCAL)
    assert len(start.queued) == 1
    assert not start.machine.units.active
    start.run(Stage.NETWORK)
    assert start.files["/etc/address"].strip() == b"10.0.2.15"
    assert "start web.service" in " ".join(start.machine.units.calls)
    assert not start.report.errors


def test_an_address_that_a_unit_reads_from_its_environment_is_waited_for(start: Start) -> None:
    text = b"#cloud-config\nwrite_files:\n- path: /etc/x\n  content: ${COREOS_PRIVATE_IPV4}\n"
    start.insert("seed", user_data=text, meta_data=b"")
    start.whole()
    assert start.files["/etc/environment"].startswith(b"COREOS_PRIVATE_IPV4=10.0.2.15")


def test_at_a_restart_the_last_address_stands_in_for_the_next(start: Start) -> None:
    start.insert("seed", user_data=WITH_ADDRESS, meta_data=b"instance-id: i-1\n")
    start.whole()
    start.machine.restart()
    start.run(Stage.LOCAL)
    assert start.files["/etc/address"].strip() == b"10.0.2.15"
    assert len(start.queued) == 2
    start.runner = ScriptedRunner(systemctl=b"", ip=OWN.replace(b"10.0.2.15", b"10.0.2.16"))
    start.run(Stage.NETWORK)
    assert start.files["/etc/address"].strip() == b"10.0.2.16"


def test_a_copy_of_the_disk_does_not_start_with_the_address_of_another(start: Start) -> None:
    start.insert("seed", user_data=WITH_ADDRESS, meta_data=b"instance-id: i-1\n")
    start.whole()
    start.insert("seed", user_data=WITH_ADDRESS, meta_data=b"instance-id: i-2\n")
    start.run(Stage.LOCAL)
    assert start.files["/etc/address"].strip() == b""


def test_a_document_without_addresses_does_not_wait_for_any(start: Start) -> None:
    start.insert("seed", user_data=GREETING, meta_data=b"")
    start.run(Stage.LOCAL)
    assert not start.queued


def test_keys_of_the_platform_count_without_user_data(start: Start) -> None:
    firmware(start.root, sys_vendor="Amazon EC2")
    with serving(Ec2(user_data=None)) as start.server:
        start.whole()
    assert KEY in str(start.machine.tree.leaves)
    assert start.machine.name.name.startswith("ip-10-0-0-7")


def test_a_service_that_never_answers_is_told_and_nothing_is_taken_away(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    firmware(start.root, sys_vendor="Amazon EC2")
    with serving(Ec2(user_data=GREETING)) as start.server:
        start.whole()
    start.server = None
    with caplog.at_level(logging.ERROR, "cloud-config"):
        start.whole()
    assert start.files["/etc/greeting"] == b"hello"
    assert start.report.stage is Progress.DEGRADED
    assert "ec2" in start.report.errors[0]
    assert "ec2" in caplog.text


def test_a_source_that_failed_keeps_what_another_document_wrote(start: Start) -> None:
    start.insert("seed", user_data=GREETING, meta_data=b"instance-id: i-1\n")
    start.run(Stage.LOCAL)
    oem = start.root / "usr" / "share" / "oem"
    oem.mkdir(parents=True)
    (oem / "cloud-config.yml").write_bytes(b"#cloud-config\nhostname: image\n")
    start.insert("seed", meta_data=b"- broken\n")
    (start.root / "seed" / "user-data").unlink()
    start.run(Stage.LOCAL)
    assert start.machine.name.name == "image"
    assert start.files["/etc/greeting"] == b"hello"
    assert any("nocloud" in error for error in start.report.errors)


def test_broken_metadata_leave_the_machine_the_one_it_was(start: Start) -> None:
    script = b"#!/bin/sh\n"
    start.insert("seed", user_data=script, meta_data=b"instance-id: i-1\n")
    start.run(Stage.LOCAL)
    start.insert("seed", user_data=script, meta_data=b"- broken\n")
    start.machine.restart()
    start.machine.world.once("i-1", script_name(start)).write("")
    start.run(Stage.LOCAL)
    assert start.report.instance_id == "i-1"
    assert not start.machine.units.active
    assert any("meta-data" in error for error in start.report.errors)


def script_name(start: Start) -> str:
    (name,) = (name for _, name in start.machine.once if name.endswith(".ended"))
    return name


@pytest.mark.parametrize(
    "user_data",
    [
        b"#cloud-config\nhostname: [\n",
        b"\x00\x01\x02",
        b'{"ignition": {"version": "3.4.0"}}',
        b"#cloud-config\n" + b"a: &a [*a, *a]\n",
        b"\x1f\x8bbroken",
    ],
)
def test_broken_user_data_are_no_failure_of_the_start(start: Start, user_data: bytes) -> None:
    metadata = f"instance-id: i-1\npublic-keys:\n- {KEY}\n".encode()
    start.insert("seed", user_data=user_data, meta_data=metadata)
    start.run(Stage.LOCAL)
    assert start.report.stage is Progress.DEGRADED
    assert start.report.errors
    assert KEY in str(start.machine.tree.leaves)


def test_a_medium_that_was_taken_out_still_counts(start: Start) -> None:
    tag = MACHINES[Platform.AZURE].chassis_asset_tag
    firmware(start.root, chassis_asset_tag=tag)
    medium = start.root / "cd"
    medium.mkdir()
    (medium / "ovf-env.xml").write_bytes(ovf_environment(GREETING))
    with serving(Azure(user_data=b"")) as start.server:
        start.media = RamMedia(drives=[medium])
        start.whole()
        assert start.files["/etc/greeting"] == b"hello"
        start.media = RamMedia(drives=[None])
        start.whole()
    assert start.files["/etc/greeting"] == b"hello"
    assert start.report.stage is Progress.DONE


def test_a_service_that_has_no_user_data_any_more_means_it(start: Start) -> None:
    firmware(start.root, sys_vendor="Amazon EC2")
    with serving(Ec2(user_data=GREETING)) as start.server:
        start.whole()
    with serving(Ec2(user_data=None)) as start.server:
        start.whole()
    assert "/etc/greeting" not in start.files


def test_a_manager_that_refuses_is_a_failure_of_the_system(start: Start) -> None:
    firmware(start.root, sys_vendor="Amazon EC2")
    start.runner = ScriptedRunner(systemctl=failing("exit 1: systemctl"))
    with pytest.raises(HostFailure):
        start.run(Stage.LOCAL)


def test_no_secret_is_logged(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    secret = b"#cloud-config\nwrite_files:\n- path: /etc/x\n  content: hunter2\n"
    start.insert("seed", user_data=secret, meta_data=b"")
    with caplog.at_level(logging.DEBUG):
        start.run(Stage.LOCAL)
    assert "hunter2" not in caplog.text
    assert "hunter2" not in (start.machine.status.text or "")
    assert "hunter2" not in (start.metadata.text or "")
