"""What is told about files of /etc that a machine changed, over several versions."""

import io
import json

import pytest

from tests.fakes.rametc import RamEtc
from tests.fakes.ramfile import RamFile
from tests.fakes.ramsystem import RamSystem, factory_media
from update_engine import cli, etc
from update_engine.boot import steps
from update_engine.core import etc as core
from update_engine.core.health import Health
from update_engine.etc import Etc
from update_engine.settings import Configuration, Settings

ISSUE, MOTD = "/etc/issue", "/etc/motd"


class Machine:
    """A machine that starts one version after another."""

    def __init__(self) -> None:
        self.layers, self.file = RamEtc(), RamFile()
        self.first = True

    @property
    def etc(self) -> Etc:
        return Etc(self.layers, self.file)

    def start(self, version: str, **files: str) -> None:
        self.layers.below = {f"/etc/{name}": text for name, text in files.items()}
        etc.record(self.etc, version, first=self.first)
        self.first = False

    def told(self, *, everything: bool = False) -> list[str]:
        out = io.StringIO()
        etc.show(self.etc, out, as_json=False, everything=everything)
        return out.getvalue().splitlines()


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_an_edited_file_is_told_without_a_remark_while_the_image_has_the_same(
    machine: Machine,
) -> None:
    machine.start("1.0", issue="a", motd="m")
    machine.layers.edit(ISSUE)
    assert machine.told() == ["edited   /etc/issue"]
    machine.start("1.1", issue="a", motd="other")
    assert machine.told() == ["edited   /etc/issue"]


def test_a_new_version_of_an_edited_file_is_told_until_it_was_looked_at(machine: Machine) -> None:
    machine.start("1.0", issue="a")
    machine.layers.edit(ISSUE)
    for version in ("1.1", "1.2", "1.2"):
        machine.start(version, issue="b")
        remark = "edited   /etc/issue (the image's is another one since 1.0)"
        assert machine.told() == [remark]
    machine.layers.edit(ISSUE)  # touch is enough
    assert machine.told() == ["edited   /etc/issue"]
    machine.start("1.3", issue="b")
    assert machine.told() == ["edited   /etc/issue"]
    machine.start("1.4", issue="c")
    assert "since 1.2" in machine.told()[0]


def test_an_edit_counts_from_the_version_that_ran_although_power_failed(machine: Machine) -> None:
    machine.start("1.0", issue="a")
    machine.layers.edit(ISSUE)  # and nothing was recorded before the next version starts
    machine.start("1.1", issue="b")
    assert "since 1.0" in machine.told()[0]


def test_going_back_to_the_version_of_the_edit_ends_the_remark(machine: Machine) -> None:
    machine.start("1.0", issue="a")
    machine.layers.edit(ISSUE)
    machine.start("1.1", issue="b")
    machine.start("1.0", issue="a")
    assert machine.told() == ["edited   /etc/issue"]


def test_a_removed_file_and_one_that_the_image_brings_later_are_told(machine: Machine) -> None:
    machine.start("1.0", issue="a")
    machine.layers.edit(ISSUE, None)
    machine.layers.edit(MOTD)
    assert machine.told() == ["removed  /etc/issue"]
    assert machine.told(everything=True) == ["removed  /etc/issue", "added    /etc/motd"]
    machine.start("1.1", issue="a", motd="the image's")
    assert machine.told() == [
        "removed  /etc/issue",
        "edited   /etc/motd (the image's is another one since 1.0)",
    ]


def test_a_machine_from_before_the_record_says_that_it_does_not_know(machine: Machine) -> None:
    machine.first = False
    machine.layers.edit(ISSUE)
    machine.start("1.1", issue="b")
    assert machine.told() == ["edited   /etc/issue (edited before changes were recorded)"]


def test_a_damaged_record_is_begun_anew(machine: Machine) -> None:
    machine.start("1.0", issue="a")
    machine.layers.edit(ISSUE)
    machine.file.write('{"version": 1, "edits": []}')
    machine.start("1.1", issue="b")
    assert "before changes were recorded" in machine.told()[0]


def test_the_record_comes_back_as_it_was_written() -> None:
    record = core.EtcRecord("1.0", {ISSUE: "x"}, {ISSUE: core.Edit("1", None, "")})
    assert core.parse(core.encode(record)) == record


PASSWD = "root:x:0:0::/:/bin/sh\ntcpdump:x:981:981::/:/bin/false\n"


@pytest.mark.parametrize(
    ("local", "message"),
    [
        ("other:x:981:981::/:/bin/sh\n", "user other has number 981, which is the image's tcpdump"),
        ("tcpdump:x:500:500::/:/bin/sh\n", "user tcpdump has number 500, the image's has 981"),
    ],
)
def test_an_account_that_meets_a_local_one_fails_the_health_of_a_version(
    local: str, message: str
) -> None:
    system = RamSystem(factory_media())
    system.etc.below["/etc/passwd"] = PASSWD
    system.etc.edit("/etc/passwd", f"root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\n{local}")
    assert steps.run(["health"], system.world) == 1
    verdict = system.world.store.verdict()
    assert verdict.health is Health.UNHEALTHY
    assert verdict.failed is not None
    assert (verdict.failed.name, verdict.failed.message) == ("accounts", message)


def test_a_local_account_apart_from_the_images_is_well() -> None:
    system = RamSystem(factory_media())
    system.etc.below["/etc/passwd"] = PASSWD
    system.etc.edit("/etc/passwd", f"{PASSWD}mine:x:500:500::/:/bin/sh\nbob:x:1001:1001::/:/b\n")
    assert etc.check_accounts(system.world.etc()).passed
    assert etc.warnings(system.world.etc()) == []


def test_a_local_account_where_a_later_version_may_bring_one_is_told() -> None:
    system = RamSystem(factory_media())
    system.etc.below["/etc/passwd"] = PASSWD
    system.etc.edit("/etc/passwd", f"{PASSWD}mine:x:979:979::/:/bin/sh\n")
    out = io.StringIO()
    configuration = Configuration(Settings(), {}, ())
    assert cli.run(["etc", "--json"], system.world, configuration, out) == 0
    told = json.loads(out.getvalue())
    assert told["accounts"] == ["user mine has number 979, which images may hand out"]
    assert [one["merged"] for one in told["entries"]] == [True]
    assert etc.check_accounts(system.world.etc()).passed
