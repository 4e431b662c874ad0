"""Reading what machines print and report."""

import json

import pytest

from builder.machine import console
from builder.machine.milestones import Event, Follower, milestone
from osmodel.faults import UntrustedData

LOADER = 'BdsDxe: starting Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x3,0x0)\r\n'
SHELL = 'BdsDxe: starting Boot0002 "EFI Internal Shell" from Fv(7CB8BDC9)/FvFile(7C04)\r\n'
SLOT = "twinkeel: starting slot b on /dev/vda\r\n"
STATUS = {"version": "1.0.0", "slot": "a"}


def ready(**status: str) -> bytes:
    return json.dumps({"event": "ready", "status": {**STATUS, **status}}).encode() + b"\n"


def test_terminal_control_is_not_text() -> None:
    assert console.plain(b"\x1b[2J\x1b[01;01H\x1b[=3hBdsDxe\r\n") == "BdsDxe\n"


def test_counts_how_often_a_loader_was_started() -> None:
    text = console.plain((LOADER + SLOT + LOADER).encode())
    assert console.starts(text) == 2


def test_a_firmware_that_waits_for_a_person_is_no_start() -> None:
    assert console.starts(SHELL) == 0
    assert console.firmware_gave_up(SHELL)
    assert not console.firmware_gave_up(LOADER)


def test_a_script_that_u_boot_runs_is_a_start() -> None:
    flow = "** Booting bootflow 'virtio-blk#32.bootdev.part_1' with script\n"
    refused = "** Booting bootflow '<NULL>' with efi_mgr\n"
    text = f"{refused}{flow}twinkeel: starting slot a\n{refused}{flow}"
    assert console.starts(text) == 2
    assert not console.firmware_gave_up(text)
    assert console.firmware_gave_up("No more bootdevs\n=> ")


def test_a_board_without_a_port_prints_its_report() -> None:
    line = "twinkeel-report: " + ready().decode()
    (found,) = console.printed_reports(f"login: {line}{line[:-1]}")
    assert found.slot == "a"


def test_reads_every_report_in_order() -> None:
    found = console.reports(ready() + ready(version="1.0.1", slot="b"))
    assert [(r.version, r.slot) for r in found] == [("1.0.0", "a"), ("1.0.1", "b")]


def test_a_report_that_is_still_being_written_waits() -> None:
    assert console.reports(ready()[:-1]) == []


def test_a_report_cut_off_by_a_reset_is_skipped() -> None:
    found = console.reports(b'{"event": "rea\n' + ready())
    assert [r.version for r in found] == ["1.0.0"]


@pytest.mark.parametrize("line", [b"{}\n", b"[{}\n", b'{"status": 1}\n', b'{"status": {}}\n'])
def test_a_line_that_is_no_report_is_refused(line: bytes) -> None:
    with pytest.raises(UntrustedData):
        console.reports(line)


def test_each_milestone_is_told_once_and_again_after_a_restart() -> None:
    told: list[str] = []
    text = [""]
    follower = Follower(lambda: text[0], lambda name, detail: told.append(name + detail))
    for more in (LOADER, SLOT, "", LOADER[:9], LOADER[9:]):
        text[0] += more
        follower.look()
    assert told == ["firmware", "slotb", "firmware"]


def test_what_was_printed_before_is_not_told() -> None:
    told: list[str] = []
    Follower(lambda: LOADER, lambda name, _: told.append(name)).look()
    assert told == []


def test_events_read_well_in_both_forms() -> None:
    slot = milestone("slot", "b", 5.04)
    assert slot.as_text() == "    5.0 s  kernel started from slot b"
    assert json.loads(slot.as_json()) == {"event": "slot", "seconds": 5.0, "slot": "b"}
    event = Event("ready", 36.55, "ready", {"ssh": ("ssh", "x")})
    assert json.loads(event.as_json()) == {"event": "ready", "seconds": 36.5, "ssh": ["ssh", "x"]}
