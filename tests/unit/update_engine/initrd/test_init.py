"""Whole starts of a machine, from the kernel's command line to the root."""

import json
from pathlib import Path

import pytest

from hostio.files.preallocated import PreallocatedFile
from hostio.system.programs import Ended
from osmodel import bootlog, partitions, slotstate
from osmodel.bootlog import NOTE, BootLog, Note, Stage, encode_note
from osmodel.faults import HostFailure, UntrustedData
from osmodel.slotstate import SlotState
from tests.fakes.clock import StoppedClock
from tests.fakes.machine import BOOT_ID, IN_A, IN_B, MIB, RamMachine, ext4_head
from tests.unit.osmodel.test_uki import image as kernel_image
from update_engine.initrd import init

BOOT_LOG = "lib/update-engine/starts.json"


@pytest.fixture
def machine(tmp_path: Path) -> RamMachine:
    return RamMachine(tmp_path)


def entry(root_hash: str) -> bytes:
    return kernel_image(
        {
            ".osrel": b"IMAGE_ID=minimal\nIMAGE_VERSION=1.0\n",
            ".cmdline": f"roothash={root_hash}".encode(),
            ".linux": b"k",
            ".initrd": b"i",
        }
    )


def put_entries(machine: RamMachine, **names: str) -> None:
    for name, root_hash in names.items():
        path = machine.esp / "EFI/Linux" / f"twinkeel_{name}.efi"
        path.write_bytes(entry(root_hash))


def names(machine: RamMachine) -> list[str]:
    return sorted(path.name for path in (machine.esp / "EFI/Linux").iterdir())


def log(machine: RamMachine) -> BootLog:
    return bootlog.parse(boot_log(machine).read() or "")


def with_failures(machine: RamMachine, count: int, root_hash: str = IN_A) -> None:
    past = BootLog()
    for number in range(count):
        past = past.begun(root_hash, f"{number:08x}-0000-4000-8000-000000000000")
    boot_log(machine).write(bootlog.encode(past))


def boot_log(machine: RamMachine) -> PreallocatedFile:
    return PreallocatedFile(machine.var / BOOT_LOG, capacity=bootlog.SIZE)


def fill(machine: RamMachine) -> None:
    """Let no new file be made where the boot log is."""
    for name in (".starts.json.new", ".starts.json.copies.new"):
        (machine.var / BOOT_LOG).with_name(name).mkdir()


def facts(machine: RamMachine) -> dict[str, object]:
    path = machine.paths.run / "twinkeel/boot.json"
    return dict(json.loads(path.read_text()))


def test_a_boot_opens_the_slot_of_its_root(machine: RamMachine) -> None:
    init.run(machine.world)
    (target,) = machine.kernel.mapped
    assert target.sectors == 64
    assert f" {IN_A} " in target.parameters
    assert "254:2 254:3" in target.parameters
    assert facts(machine)["slot"] == "a"


def test_the_other_slot_is_found_by_its_root_alone(machine: RamMachine) -> None:
    machine.set_command_line(f"roothash={IN_B}")
    init.run(machine.world)
    assert "254:4 254:5" in machine.kernel.mapped[0].parameters
    assert facts(machine)["slot"] == "b"


def test_state_is_laid_over_var_and_etc(machine: RamMachine) -> None:
    init.run(machine.world)
    root = machine.paths.root
    assert (root / "var").readlink() == machine.var
    options = machine.kernel.options[str(root / "etc")]
    assert f"lowerdir={root}/etc,upperdir={root}/var/lib/overlays/etc/upper" in options
    assert {"home", "roothome", "srv", "opt"} <= {path.name for path in machine.var.iterdir()}
    assert (machine.var / "roothome").stat().st_mode & 0o777 == 0o700


def test_the_kernels_file_systems_go_along(machine: RamMachine) -> None:
    init.run(machine.world)
    moved = [line for line in machine.kernel.mounted if line.startswith("move:")]
    assert [line.rpartition("/")[2] for line in moved] == ["var", "proc", "sys", "dev", "run"]


def test_a_boot_is_written_down_as_far_as_it_came(machine: RamMachine) -> None:
    init.run(machine.world)
    assert log(machine).stage_of(BOOT_ID) is Stage.USERSPACE


def test_a_boot_is_written_down_before_the_root_is_touched(machine: RamMachine) -> None:
    machine.kernel.refuses.add("root")
    with pytest.raises(HostFailure, match="device-mapper"):
        init.run(machine.world)
    assert log(machine).stage_of(BOOT_ID) is Stage.INITRD


def test_a_command_line_without_root_is_refused(machine: RamMachine) -> None:
    machine.set_command_line("quiet")
    with pytest.raises(UntrustedData, match="0 root hashes"):
        init.run(machine.world)


def test_a_root_that_no_slot_holds_fails_soon(machine: RamMachine) -> None:
    machine.set_command_line(f"roothash={'c' * 64}")
    with pytest.raises(HostFailure, match="no slot holds root"):
        init.run(machine.world)
    assert 10 <= machine.clock.monotonic() < 12


def test_a_missing_disk_is_waited_for_longer(machine: RamMachine) -> None:
    machine.unplug()
    with pytest.raises(HostFailure, match="disks with partitions: none"):
        init.run(machine.world)
    assert 120 <= machine.clock.monotonic() < 122


def test_a_disk_that_appears_late_is_found(machine: RamMachine) -> None:
    machine.unplug()

    class LateDisk(StoppedClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if self.monotonic() > 30:
                machine.plug_in()

    init.run(machine.world._replace(clock=LateDisk()))
    assert machine.kernel.mapped


def test_a_hash_tree_that_is_no_tree_is_refused(machine: RamMachine) -> None:
    machine.node("root-a-verity").write_bytes(bytes(MIB))
    with pytest.raises(UntrustedData, match="no verity superblock"):
        init.run(machine.world)


# The first boot


@pytest.fixture
def fresh(tmp_path: Path) -> RamMachine:
    return RamMachine(tmp_path, state_mib=0)


def test_the_first_boot_makes_the_state_with_the_tools_of_the_root(fresh: RamMachine) -> None:
    init.run(fresh.world)
    assert fresh.kernel.calls == [
        (
            "/usr/bin/systemd-repart",
            "--dry-run=no",
            "--empty=refuse",
            "--seed=random",
            "--definitions=/usr/lib/twinkeel/repart.d",
            "--no-pager",
            "--no-legend",
            str(fresh.paths.dev / "vda"),
        )
    ]
    assert log(fresh).stage_of(BOOT_ID) is Stage.USERSPACE
    assert facts(fresh)["state"] == {"durable": True, "made": True, "repaired": False}


def test_what_the_tools_needed_is_taken_away_again(fresh: RamMachine) -> None:
    init.run(fresh.world)
    left = [line for line in fresh.kernel.mounted if line.startswith(("4096:", "tmpfs:"))]
    assert not left


def test_a_failed_repart_fails_the_boot(fresh: RamMachine) -> None:
    fresh.kernel.programs["systemd-repart"] = lambda *_: Ended(1, "no room")
    with pytest.raises(HostFailure, match="systemd-repart ended with 1: no room"):
        init.run(fresh.world)


def test_a_repart_that_made_nothing_fails_the_boot(fresh: RamMachine) -> None:
    fresh.kernel.programs["systemd-repart"] = lambda *_: Ended(0, "")
    with pytest.raises(HostFailure, match="made no state partition"):
        init.run(fresh.world)


def test_an_empty_state_partition_is_formatted(machine: RamMachine) -> None:
    machine.node("state").write_bytes(bytes(16 * MIB))
    machine.kernel.programs["mkfs.ext4"] = lambda *_: Ended(0, "")
    init.run(machine.world)
    assert machine.kernel.calls == [
        ("/usr/sbin/mkfs.ext4", "-q", "-F", "-L", "state", str(machine.node("state")))
    ]


# Broken state


def test_a_clean_state_is_checked_and_mounted(machine: RamMachine) -> None:
    init.run(machine.world)
    assert machine.kernel.calls == [("/usr/sbin/e2fsck", "-p", str(machine.node("state")))]


def test_a_small_repair_is_shown(machine: RamMachine) -> None:
    machine.check_status = [1]
    init.run(machine.world)
    assert "state repaired: -p said 1" in machine.journal


def test_a_deep_repair_is_told_loudly(machine: RamMachine) -> None:
    machine.check_status = [4, 1]
    init.run(machine.world)
    assert (3, "state repair ended with 1: -f said 1") in machine.journal.lines
    assert facts(machine)["state"] == {"durable": True, "made": False, "repaired": True}


def test_state_that_cannot_be_mounted_is_never_formatted(machine: RamMachine) -> None:
    machine.check_status = [8]
    machine.node("state").write_bytes(b"LUKS" * 1000)
    machine.kernel.refuses.add(str(machine.node("state")))
    with pytest.raises(HostFailure, match="Invalid argument"):
        init.run(machine.world)
    assert {call[0] for call in machine.kernel.calls} == {"/usr/sbin/e2fsck"}


def test_an_operator_can_boot_without_the_broken_state(machine: RamMachine) -> None:
    machine.set_command_line(f"roothash={IN_A} twinkeel.state=volatile")
    machine.kernel.refuses.add(str(machine.node("state")))
    state = machine.paths.state
    machine.kernel.media["tmpfs"] = machine.var
    init.run(machine.world)
    assert f"tmpfs:tmpfs:{state}" in machine.kernel.mounted
    assert not machine.kernel.calls
    assert facts(machine)["state"] == {"durable": False, "made": False, "repaired": False}


def test_a_boot_is_counted_on_a_full_disk(machine: RamMachine) -> None:
    with_failures(machine, 1)
    fill(machine)
    init.run(machine.world)
    assert log(machine).stage_of(BOOT_ID) is Stage.USERSPACE


def test_a_boot_that_cannot_be_counted_is_not_counted(machine: RamMachine) -> None:
    """An older version wrote one copy, and there is no room for a second one."""
    path = machine.var / BOOT_LOG
    path.parent.mkdir(parents=True)
    text = bootlog.encode(BootLog().begun(IN_A, "past"))
    path.write_text(text)
    fill(machine)
    init.run(machine.world)
    assert "this boot is not counted" in machine.journal
    assert path.read_text() == text


def test_a_full_state_does_not_stop_the_boot(machine: RamMachine) -> None:
    (machine.var / "lib").write_text("a file where a directory belongs")
    init.run(machine.world)
    assert "this boot is not counted" in machine.journal
    assert machine.kernel.mapped


def test_a_garbled_boot_log_is_begun_anew(machine: RamMachine) -> None:
    path = machine.var / BOOT_LOG
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff\x00garbage")
    init.run(machine.world)
    assert len(log(machine).boots) == 1


# Growing


def test_state_grows_when_its_disk_grew(machine: RamMachine) -> None:
    with (machine.paths.dev / "vda").open("r+b") as disk:
        disk.truncate(400 * MIB)
    machine.plug_in()
    init.run(machine.world)
    assert any("systemd-repart" in call[0] for call in machine.kernel.calls)
    assert machine.kernel.grown == [machine.table.find("state").sectors * 512]  # type: ignore[union-attr]


def test_a_power_cut_between_table_and_file_system_is_made_good(tmp_path: Path) -> None:
    machine = RamMachine(tmp_path, disk_mib=200, state_mib=150)
    with machine.node("state").open("r+b") as file:
        file.write(ext4_head(16 * MIB))
    init.run(machine.world)
    assert machine.kernel.grown == [150 * MIB]


def test_a_disk_that_kept_its_size_is_left_alone(machine: RamMachine) -> None:
    init.run(machine.world)
    assert not machine.kernel.grown


def test_a_failure_to_grow_does_not_stop_the_boot(machine: RamMachine) -> None:
    with (machine.paths.dev / "vda").open("r+b") as disk:
        disk.truncate(400 * MIB)
    machine.plug_in()
    machine.kernel.programs["systemd-repart"] = lambda *_: Ended(1, "no")
    init.run(machine.world)
    assert "state did not grow" in machine.journal


# Leaving a slot that keeps failing


@pytest.fixture
def failing(machine: RamMachine) -> RamMachine:
    put_entries(machine, **{"1.0": IN_B, "1.1": IN_A})
    with_failures(machine, 5)
    return machine


def test_five_failed_boots_lead_to_the_other_slot(failing: RamMachine) -> None:
    with pytest.raises(init.Restart):
        init.run(failing.world)
    assert names(failing) == ["twinkeel_1.0.efi", "twinkeel_1.1+0-5.efi"]
    (record,) = log(failing).marked_bad
    assert (record.entry, record.root_hash) == ("twinkeel_1.1.efi", IN_A)
    assert not failing.kernel.mapped


def test_the_other_slot_is_not_left_for_the_failures_of_this_one(failing: RamMachine) -> None:
    with pytest.raises(init.Restart):
        init.run(failing.world)
    failing.set_command_line(f"roothash={IN_B}")
    init.run(failing.world)
    assert names(failing) == ["twinkeel_1.0.efi", "twinkeel_1.1+0-5.efi"]


def test_four_failed_boots_are_not_enough(machine: RamMachine) -> None:
    put_entries(machine, **{"1.0": IN_B, "1.1": IN_A})
    with_failures(machine, 4)
    init.run(machine.world)
    assert names(machine) == ["twinkeel_1.0.efi", "twinkeel_1.1.efi"]


@pytest.mark.parametrize(
    "entries",
    [
        {"1.1": IN_A},
        {"1.1": IN_A, "1.0": IN_A},
        {"1.1+2-1": IN_A, "1.0": IN_B},
        {"1.0": IN_B},
        {},
    ],
    ids=["alone", "two of ours", "on trial", "not there", "empty"],
)
def test_a_slot_without_a_better_one_is_kept(machine: RamMachine, entries: dict[str, str]) -> None:
    put_entries(machine, **entries)
    before = names(machine)
    with_failures(machine, 9)
    init.run(machine.world)
    assert names(machine) == before
    assert machine.kernel.mapped


def test_a_bad_slot_is_better_than_one_that_keeps_failing(machine: RamMachine) -> None:
    """It may have lost its tries to power cuts; two slots must not keep a machine down."""
    put_entries(machine, **{"1.0+0-5": IN_B, "1.1": IN_A})
    with_failures(machine, 5)
    with pytest.raises(init.Restart):
        init.run(machine.world)
    assert names(machine) == ["twinkeel_1.0+3-0.efi", "twinkeel_1.1+0-5.efi"]


def test_two_bad_slots_lead_to_each_other(machine: RamMachine) -> None:
    put_entries(machine, **{"1.0+0-3": IN_B, "1.1+0-5": IN_A})
    with_failures(machine, 5)
    with pytest.raises(init.Restart):
        init.run(machine.world)
    assert names(machine) == ["twinkeel_1.0+3-0.efi", "twinkeel_1.1+0-5.efi"]


def test_a_slot_without_partitions_is_no_way_out(machine: RamMachine) -> None:
    put_entries(machine, **{"1.0": "c" * 64, "1.1": IN_A})
    with_failures(machine, 5)
    init.run(machine.world)
    assert names(machine) == ["twinkeel_1.0.efi", "twinkeel_1.1.efi"]


def test_boots_that_were_stable_but_could_not_be_logged_have_not_failed(
    machine: RamMachine,
) -> None:
    put_entries(machine, **{"1.0": IN_B, "1.1": IN_A})
    with_failures(machine, 5)
    newest = log(machine).boots[-1].boot_id
    note = encode_note(Note().with_boot(newest))
    (machine.esp / NOTE).write_bytes(note)
    init.run(machine.world)
    assert names(machine) == ["twinkeel_1.0.efi", "twinkeel_1.1.efi"]
    assert machine.kernel.mapped


def test_a_truncated_other_entry_is_no_better(machine: RamMachine) -> None:
    put_entries(machine, **{"1.0": IN_B, "1.1": IN_A})
    other = machine.esp / "EFI/Linux/twinkeel_1.0.efi"
    other.write_bytes(other.read_bytes()[:700])
    with_failures(machine, 5)
    init.run(machine.world)
    assert "there is no other to boot" in machine.journal


def test_another_slot_on_trial_is_good_enough(machine: RamMachine) -> None:
    put_entries(machine, **{"1.2+3-0": IN_B, "1.1": IN_A})
    with_failures(machine, 5)
    with pytest.raises(init.Restart):
        init.run(machine.world)


def put_slots(machine: RamMachine, state: SlotState) -> None:
    for slot, root_hash in (("a", IN_A), ("b", IN_B)):
        (machine.esp / "EFI/Linux" / slotstate.entry_name(slot)).write_bytes(entry(root_hash))
    for name in slotstate.COPIES:
        (machine.esp / name).write_bytes(slotstate.encode(state))


def slots(machine: RamMachine) -> SlotState | None:
    return slotstate.read([(machine.esp / name).read_bytes() for name in slotstate.COPIES]).state


def test_a_slot_that_u_boot_starts_is_left_in_its_state(machine: RamMachine) -> None:
    put_slots(machine, SlotState(4, "a", "good", "good"))
    with_failures(machine, 5)
    with pytest.raises(init.Restart):
        init.run(machine.world)
    assert slots(machine) == SlotState(5, "b", "good", "good")
    (record,) = log(machine).marked_bad
    assert (record.entry, record.root_hash) == ("twinkeel_a.efi", IN_A)


def test_u_boot_is_led_back_to_a_slot_without_tries(machine: RamMachine) -> None:
    put_slots(machine, SlotState(4, "a", "good", "0"))
    with_failures(machine, 5)
    with pytest.raises(init.Restart):
        init.run(machine.world)
    assert slots(machine) == SlotState(5, "b", "good", "3")


@pytest.mark.parametrize("marks", [("good", "none"), ("2", "good")])
def test_u_boot_keeps_a_slot_without_a_better_one(
    machine: RamMachine, marks: tuple[str, str]
) -> None:
    state = SlotState(4, "a", *marks)
    put_slots(machine, state)
    with_failures(machine, 9)
    init.run(machine.world)
    assert slots(machine) == state


def test_a_torn_slot_state_does_not_keep_a_slot_from_being_left(machine: RamMachine) -> None:
    put_slots(machine, SlotState(4, "a", "good", "good"))
    (machine.esp / slotstate.COPIES[0]).write_bytes(b"torn")
    with_failures(machine, 5)
    with pytest.raises(init.Restart):
        init.run(machine.world)
    assert slots(machine) == SlotState(5, "b", "good", "good")


def test_an_esp_that_cannot_be_mounted_does_not_stop_the_boot(failing: RamMachine) -> None:
    failing.kernel.refuses.add(str(failing.node(partitions.ESP)))
    init.run(failing.world)
    assert "cannot be left" in failing.journal


def test_failures_of_the_other_root_do_not_count(machine: RamMachine) -> None:
    put_entries(machine, **{"1.0": IN_B, "1.1": IN_A})
    with_failures(machine, 7, IN_B)
    init.run(machine.world)
    assert "twinkeel_1.1.efi" in names(machine)
