"""Machines that are configured at their first boot."""

import json
from collections.abc import Mapping

import pytest

from tests.qemu.observations import Observations
from tests.qemu.seeds import PASSWORD

pytestmark = pytest.mark.usefixtures("nocloud", "credential", "metadata")

CONFIGURED = ["nocloud", "credential", "metadata"]
"""The machines, by what configures them."""

BOOTS = {
    "nocloud": ("first boot", "one", "nocloud"),
    "credential": ("boot", "three", "credential"),
    "metadata": ("boot", "four", "ec2"),
}


@pytest.fixture(params=CONFIGURED)
def machine(
    request: pytest.FixtureRequest, observations: Mapping[str, Observations]
) -> tuple[Observations, str, str]:
    """Its observations, the name of its boot and its host name."""
    when, name, _ = BOOTS[request.param]
    return observations[request.param], when, name


def results(observed: Observations, when: str) -> list[Mapping[str, str]]:
    found = observed.status(f"{when}: cloud-config")["results"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("how", CONFIGURED)
def test_the_document_is_in_force(how: str, observations: Mapping[str, Observations]) -> None:
    when, _, source = BOOTS[how]
    status = observations[how].status(f"{when}: cloud-config")
    assert (status["stage"], status["source"], status["errors"]) == ("done", source, [])


def test_the_machine_has_its_name(machine: tuple[Observations, str, str]) -> None:
    observed, when, name = machine
    assert observed.text(f"{when}: hostname").strip() == name


def test_its_user_can_log_in_with_the_key(machine: tuple[Observations, str, str]) -> None:
    observed, when, _ = machine
    assert observed.text(f"{when}: login").split() == ["keeper", "/var/home/keeper"]


def test_its_user_has_password_and_groups(machine: tuple[Observations, str, str]) -> None:
    observed, when, _ = machine
    account = observed.text(f"{when}: account")
    assert "keeper:$6$saltsalt$" in account
    assert "systemd-journal" in account


def test_its_file_has_owner_mode_and_content(machine: tuple[Observations, str, str]) -> None:
    observed, when, name = machine
    lines = observed.text(f"{when}: file").splitlines()
    assert lines[0] == "keeper:systemd-journal 640"
    assert lines[1] == f"name = {name}"


def test_its_unit_ran_after_its_file_was_written(machine: tuple[Observations, str, str]) -> None:
    observed, when, name = machine
    lines = observed.text(f"{when}: unit").splitlines()
    assert lines[:3] == ["active", "enabled", f"name = {name}"]


def test_a_drop_in_reaches_a_unit_of_the_image(machine: tuple[Observations, str, str]) -> None:
    observed, when, name = machine
    assert f"EXAMPLE={name}" in observed.text(f"{when}: drop-in")


def test_etcd_began_with_its_settings(machine: tuple[Observations, str, str]) -> None:
    observed, when, name = machine
    etcd = observed.text(f"{when}: etcd")
    assert etcd.startswith("active")
    assert f"ETCD_NAME={name}" in etcd
    assert f"started, {name}," in etcd


def test_the_update_engine_has_its_settings(machine: tuple[Observations, str, str]) -> None:
    observed, when, _ = machine
    assert "beta" in observed.text(f"{when}: update settings")


def test_its_clock_shows_its_zone(machine: tuple[Observations, str, str]) -> None:
    observed, when, _ = machine
    assert observed.text(f"{when}: zone").strip().endswith("/Europe/Berlin")


def test_user_data_stay_secret(machine: tuple[Observations, str, str]) -> None:
    observed, when, _ = machine
    owner, seen = observed.text(f"{when}: secrets").splitlines()
    assert owner == "root 600"
    assert seen == "0"
    assert PASSWORD not in observed.text(f"{when}: journal")


def test_no_unit_fails(machine: tuple[Observations, str, str]) -> None:
    observed, when, _ = machine
    assert observed.text(f"{when}: failed units").strip() == ""


def test_nothing_drifted_yet(machine: tuple[Observations, str, str]) -> None:
    observed, when, _ = machine
    words = {line.split()[0] for line in observed.text(f"{when}: drift").splitlines()}
    assert words == {"configured"}


@pytest.mark.parametrize("how", CONFIGURED)
def test_the_source_is_named(how: str, observations: Mapping[str, Observations]) -> None:
    when, _, source = BOOTS[how]
    used = [
        line for line in observations[how].text(f"{when}: sources").splitlines() if line[0] == "*"
    ]
    assert [line.split()[1] for line in used] == [source]


# --- a reboot, and another instance on the same disk


def test_a_second_boot_repairs_what_was_changed_and_nothing_else(nocloud: Observations) -> None:
    changed = [
        result["subject"]
        for result in results(nocloud, "second boot")
        if result["outcome"] == "changed" and result["action"] == "put-file"
    ]
    assert changed == ["/etc/example/settings.conf"]


def test_what_is_done_once_is_not_done_at_the_second_boot(nocloud: Observations) -> None:
    assert nocloud.text("second boot: script").split() == ["one"]
    assert "keeper:*:" in nocloud.text("second boot: account")


def test_another_instance_is_configured_anew(nocloud: Observations) -> None:
    assert nocloud.text("other instance: hostname").strip() == "two"
    assert nocloud.text("other instance: script").split() == ["one", "two"]
    assert "keeper:$6$saltsalt$" in nocloud.text("other instance: account")
    assert "ETCD_NAME=two" in nocloud.text("other instance: etcd")


def test_what_the_new_document_does_not_have_is_gone(nocloud: Observations) -> None:
    assert nocloud.text("first boot: first file").strip() == "hello world"
    assert "No such file" in nocloud.text("other instance: first file")


# --- addresses and the metadata service


def test_an_address_is_known_once_the_network_is_up(credential: Observations) -> None:
    assert "address = 10.0.2.15" in credential.text("boot: file")
    assert "address = 10.0.2.15" in credential.text("boot: unit")


def test_the_address_is_the_one_that_the_platform_says(metadata: Observations) -> None:
    assert "address = 10.0.0.7" in metadata.text("boot: file")
    said = json.loads(metadata.text("boot: metadata"))
    assert (said["source"], said["instance_id"]) == ("ec2", "i-0123456789abcdef0")


def test_the_service_was_asked_again_and_with_a_token(metadata: Observations) -> None:
    asked = metadata.text("requests").splitlines()
    assert asked[:4] == ["PUT /latest/api/token"] * 4
    assert not [line for line in asked[4:] if line.startswith("PUT")]


def test_the_script_of_the_platform_ran(metadata: Observations) -> None:
    assert metadata.text("boot: script").split() == ["four"]


def test_the_network_waits_for_what_lies_at_hand(nocloud: Observations) -> None:
    times = moments(nocloud.text("first boot: order"))
    configured = times["cloud-config-local.service"]["ActiveEnter"]
    assert configured <= times["systemd-networkd.service"]["InactiveExit"]


def test_etcd_waits_for_the_metadata_service(metadata: Observations) -> None:
    times = moments(metadata.text("boot: order"))
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


def test_a_broken_document_leaves_the_machine_reachable(credential: Observations) -> None:
    assert credential.text("broken: login").split() == ["keeper", "/var/home/keeper"]
    assert credential.text("broken: hostname").strip() == "broken-but-up"


def test_what_can_be_applied_of_it_is_applied(credential: Observations) -> None:
    assert credential.text("broken: good file").strip() == "good"


def test_it_writes_nothing_into_the_system(credential: Observations) -> None:
    assert "No such file" in credential.text("broken: evil unit")


@pytest.mark.parametrize("where", ["console", "journal", "status"])
def test_its_errors_are_told(where: str, credential: Observations) -> None:
    text = credential.text(f"broken: {where}")
    assert "line 6: error" in text
    assert "line 8: error: file cannot be written to a read-only filesystem" in text


def test_a_broken_document_is_no_fault_of_the_version(credential: Observations) -> None:
    assert credential.status("broken: health")["health"] == "healthy"
    assert "cloud-config" not in credential.text("broken: failed units")


def test_what_the_last_good_document_wrote_stays(credential: Observations) -> None:
    assert "name = three" in credential.text("broken: file")


# --- a machine that has no source


def test_a_machine_without_a_source_hardly_notices(node: Observations) -> None:
    cost = dict(line.split("=", 1) for line in node.text("boot: first-boot cost").splitlines())
    took = int(cost["ActiveEnterTimestampMonotonic"]) - int(cost["InactiveExitTimestampMonotonic"])
    # Two seconds on a real machine; an emulated one is ten times as slow.
    assert took < 20_000_000
    assert node.text("boot: first-boot pythons").strip() == "0"
