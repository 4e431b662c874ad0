"""One machine from its first start through a power cut and an update to a rotten slot."""

import re

from tests.qemu.diary import Diary

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


def test_a_new_disk_starts_the_first_version_from_slot_a(life: Diary) -> None:
    status = life.status("first start")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.0", "a", "healthy")


def test_the_root_is_verified_and_read_only(life: Diary) -> None:
    kind, *options = mount_of("/", life.text("first start: mounts"))
    assert (kind, "ro" in options) == ("erofs", True)
    assert "Read-only file system" in life.text("first start: write to /usr")
    verity = life.text("first start: verity")
    assert re.search(r"verity V$", verity, re.MULTILINE)
    assert "panic_on_corruption" in verity


def test_only_the_state_partition_and_what_lies_on_it_can_be_written(life: Diary) -> None:
    mounts = life.text("first start: mounts")
    assert mount_of("/etc", mounts)[:2] == ["overlay", "rw"]
    assert mount_of("/var", mounts)[:2] == ["ext4", "rw"]


def test_the_state_partition_takes_the_rest_of_the_disk(life: Diary) -> None:
    assert int(life.text("first start: state size")) > 5 * GIB


def test_the_kernel_command_line_is_the_one_that_was_signed(life: Diary) -> None:
    words = life.text("first start: command line").split()
    assert re.fullmatch(r"roothash=[0-9a-f]{64}", words[0])
    assert {"ro", "gpt", "panic=10", "oops=panic"} <= set(words)


def test_no_unit_fails(life: Diary) -> None:
    assert life.text("first start: failed units").strip() == ""
    assert life.text("first start: system state").strip() == "running"


def test_nothing_runs_that_was_not_asked_for(life: Diary) -> None:
    assert programs(life.text("second start: programs")) <= SYSTEM_PROGRAMS


def test_the_network_is_configured(life: Diary) -> None:
    assert "10.0.2.15/24" in life.text("first start: network")


def test_a_restart_keeps_what_the_machine_is(life: Diary) -> None:
    first, second = (life.text(f"{when} start: machine-id") for when in ("first", "second"))
    assert re.fullmatch(r"[0-9a-f]{32}\n", first)
    assert second == first
    assert life.text("second start: host key") == life.text("first start: host key")


def test_a_restart_keeps_what_was_written(life: Diary) -> None:
    assert life.text("second start: kept file").split() == ["kept"] * 3


def test_the_journal_goes_back_to_the_first_start(life: Diary) -> None:
    assert len(life.text("second start: boots").splitlines()) == 2


def test_an_orderly_restart_leaves_nothing_to_repair(life: Diary) -> None:
    assert life.text("second start: repairs").strip() == ""


def test_power_failed_in_the_middle_of_writing(life: Diary) -> None:
    assert 0.3 < float(life.text("progress when the power failed")) < 1


def test_after_a_power_cut_the_old_version_runs_and_nothing_else_could(life: Diary) -> None:
    status = life.status("after the power cut")
    assert (status["version"], status["slot"]) == ("1.0.0", "a")
    assert status["quarantined"] == []
    assert life.text("after the power cut: entries").splitlines() == ["1.0.0 good"]


def test_a_check_names_the_version_on_offer(life: Diary) -> None:
    assert "1.0.1" in life.text("before the update: check")


def test_an_update_comes_back_as_the_new_version_in_the_other_slot(life: Diary) -> None:
    status = life.status("updated")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.1", "b", "healthy")


def test_a_healthy_update_is_blessed(life: Diary) -> None:
    entries = life.text("updated: entries").splitlines()
    assert entries == ["1.0.0 good", "1.0.1 good"]


def test_an_update_keeps_what_the_machine_is(life: Diary) -> None:
    for what in ("machine-id", "host key", "kept file"):
        assert life.text(f"updated: {what}") == life.text(f"second start: {what}")


def test_why_tells_about_the_update(life: Diary) -> None:
    assert "1.0.1" in life.text("updated: why")


def test_a_blessed_slot_that_rots_is_left_after_five_starts(life: Diary) -> None:
    status = life.status("after the rot")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.0", "a", "healthy")
    # Five that panic, one that gives up the slot, one that works.
    assert life.text("after the rot: starts") == "7"


def test_a_rotten_slot_is_never_tried_again(life: Diary) -> None:
    entries = life.text("after the rot: entries").splitlines()
    assert entries == ["1.0.0 good", "1.0.1 left 0"]
    status = life.status("after the rot: status")
    assert "1.0.1" in str(status["quarantined"])
    assert "1.0.1" in life.text("after the rot: why")


def test_falling_back_keeps_what_the_machine_is(life: Diary) -> None:
    assert life.text("after the rot: machine-id") == life.text("first start: machine-id")
