"""Where an update goes, what leaves the ESP first, and when nothing may happen."""

import pytest

from osmodel.assessment import Assessment
from osmodel.bootentry import parse
from osmodel.faults import InvalidInput
from osmodel.gpt import Gpt, Partition
from osmodel.gpt import parse as parse_table
from osmodel.partitions import slot_guids, slot_of
from tests.fakes.ramsystem import DISK, OLD, SECTOR, factory_media
from update_engine.core.backoff import seconds_before_next_run, seconds_before_retry
from update_engine.core.entries import KnownEntry, Readmit, Remove, Repair, repairs
from update_engine.core.preflight import (
    ESP_RESERVE,
    Blocked,
    Plan,
    armed_table,
    plan,
    room_on_esp,
)
from update_engine.core.rollback import Rollback, roll_back

RUNNING = OLD.release.root_hash
OTHER = "cd" * 32


def table() -> Gpt:
    content = factory_media().table
    return parse_table(lambda at, length: content[at : at + length], SECTOR, DISK // SECTOR)


def without(label: str) -> Gpt:
    made = table()
    return made._replace(partitions=tuple(p for p in made.partitions if p.label != label))


def known(name: str, root_hash: str, version: str = "1.0.0") -> KnownEntry:
    try:
        entry = parse(name)
    except InvalidInput:
        return KnownEntry(name, None, version if root_hash else "", root_hash)
    version = version if root_hash else ""
    return KnownEntry(name, entry.assessment, version, root_hash, promised=entry.version)


OWN = known("twinkeel_1.0.0.efi", RUNNING)
PASSIVE = known("twinkeel_0.9.0.efi", OTHER, "0.9.0")


def blocked(found: Plan | Rollback | Blocked) -> str:
    assert isinstance(found, Blocked)
    return found.text


def test_the_other_slot_is_written_and_its_entry_goes_first() -> None:
    assert plan(table(), [PASSIVE, OWN], RUNNING) == Plan("b", (PASSIVE,))


def test_an_empty_slot_has_no_entry_to_remove() -> None:
    assert plan(table(), [OWN], RUNNING) == Plan("b", ())


def test_whatever_else_the_loader_would_show_goes_too() -> None:
    stray = known("TWINKE~1.EFI", "")
    assert plan(table(), [OWN, stray], RUNNING) == Plan("b", (stray,))


def test_slot_a_is_written_while_b_runs() -> None:
    root, verity = slot_guids(OTHER)
    swapped = table().with_guids(
        {"root-a": "00" * 16, "root-b": root, "root-b-verity": verity}
        | {"root-a": "11111111-1111-1111-1111-111111111111"}
    )
    own = known("twinkeel_1.0.0.efi", OTHER)
    assert plan(swapped, [own], OTHER) == Plan("a", ())


def test_nothing_is_written_when_the_running_root_is_in_no_slot() -> None:
    assert "in neither slot" in blocked(plan(table(), [OWN], OTHER))


def test_half_a_slot_is_no_slot() -> None:
    assert slot_of(without("root-a-verity"), RUNNING) is None


@pytest.mark.parametrize("entries", [[], [PASSIVE], [OWN, known("twinkeel_1.0.1.efi", RUNNING)]])
def test_nothing_is_written_unless_one_entry_is_ours(entries: list[KnownEntry]) -> None:
    assert "boot entries carry the running version" in blocked(plan(table(), entries, RUNNING))


def test_nothing_is_written_while_the_loader_takes_one_slot_for_the_other() -> None:
    swapped = KnownEntry("twinkeel_b.efi", Assessment.GOOD, "1.0.0", RUNNING, slot="b")
    assert "is that of slot b" in blocked(plan(table(), [swapped], RUNNING))


@pytest.mark.parametrize("counter", ["+2-1", "+0-3"])
def test_the_only_good_slot_is_never_overwritten(counter: str) -> None:
    own = known(f"twinkeel_1.0.0{counter}.efi", RUNNING)
    assert "still on trial" in blocked(plan(table(), [own, PASSIVE], RUNNING))


@pytest.mark.parametrize("label", ["root-b", "root-b-verity"])
def test_a_disk_without_a_second_slot_is_not_written(label: str) -> None:
    assert f"no partition {label}" in blocked(plan(without(label), [OWN], RUNNING))


def test_room_on_the_esp_counts_what_leaves_and_what_stays_free() -> None:
    assert room_on_esp(free=ESP_RESERVE, leaving=100, needed=100) is None
    full = room_on_esp(free=ESP_RESERVE, leaving=99, needed=100)
    assert full is not None
    assert "1 bytes are missing" in full.text


def test_an_armed_slot_is_found_by_its_root_hash_and_looks_like_the_other() -> None:
    armed = armed_table(table(), "b", OTHER)
    assert slot_of(armed, OTHER) == "b"
    assert slot_of(armed, RUNNING) == "a"
    attributes = {p.label: p.attributes for p in armed.partitions}
    assert attributes["root-b"] == attributes["root-a"] == 1 << 60


def test_arming_changes_no_other_partition() -> None:
    before, after = table(), armed_table(table(), "b", OTHER)
    changed = {
        old.label
        for old, new in zip(before.partitions, after.partitions, strict=True)
        if old != new
    }
    assert changed == {"root-b", "root-b-verity"}
    assert all(isinstance(one, Partition) for one in after.partitions)


REPAIRS: dict[str, tuple[list[KnownEntry], tuple[Repair, ...]]] = {
    "names of ours stay": ([OWN, PASSIVE], ()),
    "a running entry that lost its counter has to prove itself": (
        [known("TWINKE~1.EFI", RUNNING), PASSIVE],
        (Readmit(known("TWINKE~1.EFI", RUNNING)),),
    ),
    "an unknown name beside the running entry goes": (
        [OWN, known("TWINKE~1.EFI", RUNNING)],
        (Remove(known("TWINKE~1.EFI", RUNNING)),),
    ),
    "a foreign system goes": (
        [OWN, known("linux.efi", OTHER)],
        (Remove(known("linux.efi", OTHER)),),
    ),
    "a damaged good entry would hang the loader": (
        [OWN, known("twinkeel_0.9.0.efi", "")],
        (Remove(known("twinkeel_0.9.0.efi", "")),),
    ),
    "a damaged entry on trial is the loader's business": (
        [OWN, known("twinkeel_1.0.1+2-1.efi", "")],
        (),
    ),
    "of two that lost their name one is kept": (
        [known("TWINKE~1.EFI", RUNNING), known("TWINKE~2.EFI", RUNNING)],
        (Readmit(known("TWINKE~1.EFI", RUNNING)), Remove(known("TWINKE~2.EFI", RUNNING))),
    ),
    "nothing goes while the running version has no entry": (
        [known("twinkeel_0.9.0.efi", ""), known("linux.efi", OTHER)],
        (),
    ),
}


@pytest.mark.parametrize("rule", REPAIRS)
def test_the_esp_is_put_in_order(rule: str) -> None:
    entries, expected = REPAIRS[rule]
    assert repairs(entries, RUNNING) == expected


BLESSED = {RUNNING}


def test_a_rollback_goes_to_the_good_version() -> None:
    assert roll_back([OWN, PASSIVE], RUNNING, BLESSED) == Rollback(OWN, PASSIVE)


def test_a_rollback_that_was_taken_back_can_be_repeated() -> None:
    tried = known("twinkeel_0.9.0+3-0.efi", OTHER)
    assert roll_back([OWN, tried], RUNNING, {OTHER}) == Rollback(OWN, tried)


@pytest.mark.parametrize("name", ["twinkeel_0.9.0+3-0.efi", "twinkeel_0.9.0+0-3.efi"])
def test_a_version_that_is_not_good_is_nothing_to_go_back_to(name: str) -> None:
    assert "no good version" in blocked(roll_back([OWN, known(name, OTHER)], RUNNING, BLESSED))


def test_a_damaged_version_is_nothing_to_go_back_to() -> None:
    damaged = known("twinkeel_0.9.0.efi", "")
    assert "no good version" in blocked(roll_back([OWN, damaged], RUNNING, BLESSED))


@pytest.mark.parametrize("entries", [[PASSIVE], [known("TWINKE~1.EFI", RUNNING), PASSIVE]])
def test_an_entry_that_is_not_there_cannot_be_marked_bad(entries: list[KnownEntry]) -> None:
    assert "carry the running version" in blocked(roll_back(entries, RUNNING, BLESSED))


def test_retries_wait_longer_each_time() -> None:
    assert [seconds_before_retry(attempt) for attempt in (1, 2)] == [15.0, 60.0]


def test_scheduled_runs_back_off_up_to_four_hours() -> None:
    waits = [seconds_before_next_run(failures) for failures in (1, 2, 3, 4, 5, 6, 10_000)]
    assert waits == [900, 1800, 3600, 7200, 14400, 14400, 14400]
