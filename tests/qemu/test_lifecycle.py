"""One machine from its first boot through a power cut and an update to bit rot in its slot."""

import json
import re

from tests.qemu.observations import Observations

GIB = 1 << 30
# What the architecture lets run; kernel threads have their names in brackets.
SYSTEM_PROGRAMS = {
    "systemd",
    "init",
    "systemd-journald",
    "systemd-udevd",
    "systemd-logind",
    "systemd-networkd",
    "systemd-resolved",
    "systemd-timesyncd",
    "dbus-daemon",
    "sshd",
    "sshd-session",
    "sftp-server",
    "agetty",
    "(sd-pam)",
    "ps",
    "bash",
    "sh",
}


def programs(listing: str) -> set[str]:
    """Names of the programs in a listing of ``ps``, without kernel threads."""
    lines = [line.strip() for line in listing.splitlines()[1:]]
    words = [line.split()[0] for line in lines if line and not line.startswith("[")]
    return {word.rsplit("/", 1)[-1].rstrip(":").lstrip("-") for word in words}


def mount_of(path: str, listing: str) -> list[str]:
    """File system and options of what is mounted at ``path``, the last one."""
    found = [line.split(" ") for line in listing.splitlines() if line.split(" ")[0] == path]
    assert found, f"nothing is mounted at {path}"
    return [found[-1][1], *found[-1][2].split(",")]


def test_a_new_disk_boots_the_first_version_from_slot_a(lifecycle: Observations) -> None:
    status = lifecycle.status("first boot")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.0", "a", "healthy")


def test_the_root_is_verified_and_read_only(lifecycle: Observations) -> None:
    kind, *options = mount_of("/", lifecycle.text("first boot: mounts"))
    assert (kind, "ro" in options) == ("erofs", True)
    assert "Read-only file system" in lifecycle.text("first boot: write to /usr")
    verity = lifecycle.text("first boot: verity")
    assert re.search(r"verity V$", verity, re.MULTILINE)
    assert "panic_on_corruption" in verity


def test_only_the_state_partition_and_what_lies_on_it_can_be_written(
    lifecycle: Observations,
) -> None:
    mounts = lifecycle.text("first boot: mounts")
    assert mount_of("/etc", mounts)[:2] == ["overlay", "rw"]
    assert mount_of("/var", mounts)[:2] == ["ext4", "rw"]


def test_the_state_partition_takes_the_rest_of_the_disk(lifecycle: Observations) -> None:
    assert int(lifecycle.text("first boot: state size")) > 5 * GIB


def test_the_kernel_command_line_is_the_one_that_was_signed(lifecycle: Observations) -> None:
    words = lifecycle.text("first boot: command line").split()
    assert re.fullmatch(r"roothash=[0-9a-f]{64}", words[0])
    assert {"ro", "gpt", "panic=10", "oops=panic"} <= set(words)


def test_no_unit_fails(lifecycle: Observations) -> None:
    assert lifecycle.text("first boot: failed units").strip() == ""
    assert lifecycle.text("first boot: system state").strip() == "running"


def test_no_program_warns_in_a_healthy_boot(lifecycle: Observations) -> None:
    assert lifecycle.text("first boot: warnings").strip() == ""


def test_files_of_etc_are_the_same_on_every_version(lifecycle: Observations) -> None:
    before = lifecycle.text("before the update: edited files")
    assert lifecycle.text("updated: edited files") == before
    assert lifecycle.text("after the rot: edited files") == before
    told = json.loads(lifecycle.text("updated: etc"))["entries"]
    changes = {one["path"]: one["change"] for one in told}
    assert {changes[f"/etc/{name}"] for name in ("issue", "pam.d/su")} == {"edited"}
    assert changes["/etc/networks"] == "removed"


def test_nothing_runs_that_was_not_asked_for(lifecycle: Observations) -> None:
    assert programs(lifecycle.text("second boot: programs")) <= SYSTEM_PROGRAMS


def test_the_network_is_configured(lifecycle: Observations) -> None:
    assert "10.0.2.15/24" in lifecycle.text("first boot: network")


def test_a_reboot_keeps_what_the_machine_is(lifecycle: Observations) -> None:
    first, second = (lifecycle.text(f"{when} boot: machine-id") for when in ("first", "second"))
    assert re.fullmatch(r"[0-9a-f]{32}\n", first)
    assert second == first
    assert lifecycle.text("second boot: host key") == lifecycle.text("first boot: host key")


def test_a_reboot_keeps_what_was_written(lifecycle: Observations) -> None:
    assert lifecycle.text("second boot: kept file").split() == ["kept"] * 3


def test_the_journal_goes_back_to_the_first_boot(lifecycle: Observations) -> None:
    assert len(lifecycle.text("second boot: boots").splitlines()) == 2


def test_an_orderly_reboot_leaves_nothing_to_repair(lifecycle: Observations) -> None:
    assert lifecycle.text("second boot: repairs").strip() == ""


def test_power_failed_in_the_middle_of_writing(lifecycle: Observations) -> None:
    assert 0.3 < float(lifecycle.text("progress at the power cut")) < 1


def test_after_a_power_cut_the_old_version_runs_and_nothing_else_could(
    lifecycle: Observations,
) -> None:
    status = lifecycle.status("after the power cut")
    assert (status["version"], status["slot"]) == ("1.0.0", "a")
    assert status["quarantined"] == []
    assert lifecycle.text("after the power cut: entries").splitlines() == ["1.0.0 good"]


def test_a_check_names_the_version_on_offer(lifecycle: Observations) -> None:
    assert "1.0.1" in lifecycle.text("before the update: check")


def test_an_update_comes_back_as_the_new_version_in_the_other_slot(lifecycle: Observations) -> None:
    status = lifecycle.status("updated")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.1", "b", "healthy")


def test_a_healthy_update_is_blessed(lifecycle: Observations) -> None:
    entries = lifecycle.text("updated: entries").splitlines()
    assert entries == ["1.0.0 good", "1.0.1 good"]


def test_an_update_keeps_what_the_machine_is(lifecycle: Observations) -> None:
    for what in ("machine-id", "host key", "kept file"):
        assert lifecycle.text(f"updated: {what}") == lifecycle.text(f"second boot: {what}")


def test_why_tells_about_the_update(lifecycle: Observations) -> None:
    assert "1.0.1" in lifecycle.text("updated: why")


def test_a_blessed_slot_that_rots_is_left_after_five_boots(lifecycle: Observations) -> None:
    status = lifecycle.status("after the rot")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.0", "a", "healthy")
    # Five that panic, one that gives up the slot, one that works.
    assert lifecycle.text("after the rot: boots") == "7"


def test_a_rotten_slot_is_never_tried_again(lifecycle: Observations) -> None:
    entries = lifecycle.text("after the rot: entries").splitlines()
    assert entries == ["1.0.0 good", "1.0.1 left 0"]
    status = lifecycle.status("after the rot: status")
    assert "1.0.1" in str(status["quarantined"])
    assert "1.0.1" in lifecycle.text("after the rot: why")


def test_falling_back_keeps_what_the_machine_is(lifecycle: Observations) -> None:
    assert lifecycle.text("after the rot: machine-id") == lifecycle.text("first boot: machine-id")
