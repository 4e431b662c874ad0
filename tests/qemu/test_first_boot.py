"""Machines that are told at their start what to be."""

import json
from collections.abc import Mapping

import pytest

from tests.qemu.diary import Diary
from tests.qemu.seeds import PASSWORD

pytestmark = pytest.mark.usefixtures("nocloud", "credential", "metadata")

CONFIGURED = ["nocloud", "credential", "metadata"]
"""The machines, by what configures them."""

STARTS = {
    "nocloud": ("first start", "one", "nocloud"),
    "credential": ("start", "three", "credential"),
    "metadata": ("start", "four", "ec2"),
}


@pytest.fixture(params=CONFIGURED)
def machine(request: pytest.FixtureRequest, diaries: Mapping[str, Diary]) -> tuple[Diary, str, str]:
    """Its diary, the name of its start and its host name."""
    when, name, _ = STARTS[request.param]
    return diaries[request.param], when, name


def results(diary: Diary, when: str) -> list[Mapping[str, str]]:
    found = diary.status(f"{when}: cloud-config")["results"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("how", CONFIGURED)
def test_the_document_is_in_force(how: str, diaries: Mapping[str, Diary]) -> None:
    when, _, source = STARTS[how]
    status = diaries[how].status(f"{when}: cloud-config")
    assert (status["stage"], status["source"], status["errors"]) == ("done", source, [])


def test_the_machine_has_its_name(machine: tuple[Diary, str, str]) -> None:
    diary, when, name = machine
    assert diary.text(f"{when}: hostname").strip() == name


def test_its_user_can_log_in_with_the_key(machine: tuple[Diary, str, str]) -> None:
    diary, when, _ = machine
    assert diary.text(f"{when}: login").split() == ["keeper", "/var/home/keeper"]


def test_its_user_has_password_and_groups(machine: tuple[Diary, str, str]) -> None:
    diary, when, _ = machine
    account = diary.text(f"{when}: account")
    assert "keeper:$6$saltsalt$" in account
    assert "systemd-journal" in account


def test_its_file_has_owner_mode_and_content(machine: tuple[Diary, str, str]) -> None:
    diary, when, name = machine
    lines = diary.text(f"{when}: file").splitlines()
    assert lines[0] == "keeper:systemd-journal 640"
    assert lines[1] == f"name = {name}"


def test_its_unit_ran_after_its_file_was_written(machine: tuple[Diary, str, str]) -> None:
    diary, when, name = machine
    lines = diary.text(f"{when}: unit").splitlines()
    assert lines[:3] == ["active", "enabled", f"name = {name}"]


def test_a_drop_in_reaches_a_unit_of_the_image(machine: tuple[Diary, str, str]) -> None:
    diary, when, name = machine
    assert f"EXAMPLE={name}" in diary.text(f"{when}: drop-in")


def test_etcd_began_with_its_settings(machine: tuple[Diary, str, str]) -> None:
    diary, when, name = machine
    etcd = diary.text(f"{when}: etcd")
    assert etcd.startswith("active")
    assert f"ETCD_NAME={name}" in etcd
    assert f"started, {name}," in etcd


def test_the_update_engine_has_its_settings(machine: tuple[Diary, str, str]) -> None:
    diary, when, _ = machine
    assert "beta" in diary.text(f"{when}: update settings")


def test_its_clock_shows_its_zone(machine: tuple[Diary, str, str]) -> None:
    diary, when, _ = machine
    assert diary.text(f"{when}: zone").strip().endswith("/Europe/Berlin")


def test_user_data_stay_secret(machine: tuple[Diary, str, str]) -> None:
    diary, when, _ = machine
    owner, seen = diary.text(f"{when}: secrets").splitlines()
    assert owner == "root 600"
    assert seen == "0"
    assert PASSWORD not in diary.text(f"{when}: journal")


def test_no_unit_fails(machine: tuple[Diary, str, str]) -> None:
    diary, when, _ = machine
    assert diary.text(f"{when}: failed units").strip() == ""


def test_nothing_drifted_yet(machine: tuple[Diary, str, str]) -> None:
    diary, when, _ = machine
    words = {line.split()[0] for line in diary.text(f"{when}: drift").splitlines()}
    assert words == {"configured"}


@pytest.mark.parametrize("how", CONFIGURED)
def test_the_source_is_named(how: str, diaries: Mapping[str, Diary]) -> None:
    when, _, source = STARTS[how]
    used = [line for line in diaries[how].text(f"{when}: sources").splitlines() if line[0] == "*"]
    assert [line.split()[1] for line in used] == [source]


# --- a restart, and another instance on the same disk


def test_a_second_start_repairs_what_was_changed_and_nothing_else(nocloud: Diary) -> None:
    changed = [
        result["subject"]
        for result in results(nocloud, "second start")
        if result["outcome"] == "changed" and result["action"] == "put-file"
    ]
    assert changed == ["/etc/example/settings.conf"]


def test_what_is_done_once_is_not_done_at_the_second_start(nocloud: Diary) -> None:
    assert nocloud.text("second start: script").split() == ["one"]
    assert "keeper:*:" in nocloud.text("second start: account")


def test_another_instance_is_configured_anew(nocloud: Diary) -> None:
    assert nocloud.text("other instance: hostname").strip() == "two"
    assert nocloud.text("other instance: script").split() == ["one", "two"]
    assert "keeper:$6$saltsalt$" in nocloud.text("other instance: account")
    assert "ETCD_NAME=two" in nocloud.text("other instance: etcd")


def test_what_the_new_document_does_not_have_is_gone(nocloud: Diary) -> None:
    assert nocloud.text("first start: first file").strip() == "hello world"
    assert "No such file" in nocloud.text("other instance: first file")


# --- addresses and the metadata service


def test_an_address_is_known_once_the_network_is_up(credential: Diary) -> None:
    assert "address = 10.0.2.15" in credential.text("start: file")
    assert "address = 10.0.2.15" in credential.text("start: unit")


def test_the_address_is_the_one_that_the_platform_says(metadata: Diary) -> None:
    assert "address = 10.0.0.7" in metadata.text("start: file")
    said = json.loads(metadata.text("start: metadata"))
    assert (said["source"], said["instance_id"]) == ("ec2", "i-0123456789abcdef0")


def test_the_service_was_asked_again_and_with_a_token(metadata: Diary) -> None:
    asked = metadata.text("asked").splitlines()
    assert asked[:4] == ["PUT /latest/api/token"] * 4
    assert not [line for line in asked[4:] if line.startswith("PUT")]


def test_the_script_of_the_platform_ran(metadata: Diary) -> None:
    assert metadata.text("start: script").split() == ["four"]


def test_the_network_waits_for_what_lies_at_hand(nocloud: Diary) -> None:
    times = moments(nocloud.text("first start: order"))
    configured = times["cloud-config-local.service"]["ActiveEnter"]
    assert configured <= times["systemd-networkd.service"]["InactiveExit"]


def test_etcd_waits_for_the_metadata_service(metadata: Diary) -> None:
    times = moments(metadata.text("start: order"))
    configured = times["cloud-config-network.service"]["ActiveEnter"]
    assert 0 < configured <= times["etcd.service"]["InactiveExit"]


def moments(shown: str) -> Mapping[str, Mapping[str, int]]:
    """Microseconds since the start of the kernel, by unit and event."""
    found: dict[str, Mapping[str, int]] = {}
    for block in shown.strip().split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines())
        unit = values.pop("Id")
        found[unit] = {
            name.removesuffix("TimestampMonotonic"): int(value) for name, value in values.items()
        }
    return found


# --- a broken document


def test_a_broken_document_leaves_the_machine_reachable(credential: Diary) -> None:
    assert credential.text("broken: login").split() == ["keeper", "/var/home/keeper"]
    assert credential.text("broken: hostname").strip() == "broken-but-up"


def test_what_can_be_applied_of_it_is_applied(credential: Diary) -> None:
    assert credential.text("broken: good file").strip() == "good"


def test_it_writes_nothing_into_the_system(credential: Diary) -> None:
    assert "No such file" in credential.text("broken: evil unit")


@pytest.mark.parametrize("where", ["console", "journal", "people"])
def test_its_errors_are_told(where: str, credential: Diary) -> None:
    text = credential.text(f"broken: {where}")
    assert "line 6: error" in text
    assert "line 8: error: file cannot be written to a read-only filesystem" in text


def test_a_broken_document_is_no_fault_of_the_version(credential: Diary) -> None:
    assert credential.status("broken: health")["health"] == "healthy"
    assert "cloud-config" not in credential.text("broken: failed units")


def test_what_the_last_good_document_wrote_stays(credential: Diary) -> None:
    assert "name = three" in credential.text("broken: file")


# --- a machine that has no source


def test_a_machine_without_a_source_hardly_notices(node: Diary) -> None:
    cost = dict(line.split("=", 1) for line in node.text("start: first-boot cost").splitlines())
    took = int(cost["ActiveEnterTimestampMonotonic"]) - int(cost["InactiveExitTimestampMonotonic"])
    # Two seconds on a real machine; an emulated one is ten times as slow.
    assert took < 20_000_000
    assert node.text("start: first-boot pythons").strip() == "0"
