"""What the last boots of a machine mean."""

import itertools
from collections.abc import Callable, Sequence

import pytest

from osmodel.assessment import Assessment
from osmodel.bootentry import parse
from osmodel.bootlog import BootLog, Stage
from tests.fakes.page import table
from update_engine.core.enginestate import EngineState, FailedCheck, Quarantined, Target
from update_engine.core.entries import KnownEntry
from update_engine.core.outcome import Evidence, Findings, Outcome, assess, outcome_of

OLD, NEW = "aa" * 32, "bb" * 32
ARMED = EngineState(armed=Target("1.0.1", NEW, "b", "boot-0", 1))
OLD_ENTRY = KnownEntry("twinkeel_1.0.0.efi", Assessment.GOOD, "1.0.0", OLD, "1.0.0")


def new_entry(counter: str, *, root_hash: str = NEW) -> KnownEntry:
    name = f"twinkeel_1.0.1{counter}.efi"
    assessment = parse(name).assessment
    return KnownEntry(name, assessment, "1.0.1" if root_hash else "", root_hash, "1.0.1")


def log(*boots: tuple[str, Stage]) -> BootLog:
    made = BootLog()
    for number, (root_hash, stage) in enumerate(boots, 1):
        made = made.begun(root_hash, f"boot-{number}").reached(f"boot-{number}", stage)
    return made


def looked_at(
    *entries: KnownEntry,
    state: EngineState = ARMED,
    boots: BootLog = BootLog(),  # noqa: B008 - immutable
    running: str = OLD,
) -> Findings:
    return assess(Evidence(state, boots, (OLD_ENTRY, *entries), running, "boot-now"))


def reason(*boots: tuple[str, Stage], state: EngineState = ARMED) -> str:
    (failure,) = looked_at(new_entry("+0-3"), boots=log(*boots), state=state).failures
    return failure.reason


def test_nothing_was_armed_and_nothing_happened() -> None:
    assert looked_at(state=EngineState()) == Findings(Outcome.NOTHING)


def test_an_armed_version_that_was_not_started_waits() -> None:
    assert looked_at(new_entry("+3-0")) == Findings(Outcome.WAITING)


def test_a_power_cut_before_the_entry_was_placed_armed_nothing() -> None:
    assert looked_at() == Findings(Outcome.NOT_ARMED)


@pytest.mark.parametrize("counter", ["+2-1", "+1-2", "+0-3"])
def test_the_armed_version_runs_on_trial_to_its_last_try(counter: str) -> None:
    found = looked_at(new_entry(counter), running=NEW)
    assert found == Findings(Outcome.ON_TRIAL)


def test_a_blessed_version_whose_record_was_lost_came_up() -> None:
    assert looked_at(new_entry(""), running=NEW).outcome is Outcome.CAME_UP


def test_two_entries_of_the_running_version_prove_nothing() -> None:
    found = looked_at(new_entry(""), new_entry("+2-1"), running=NEW)
    assert found.outcome is Outcome.ON_TRIAL


def test_a_version_without_tries_fell_back() -> None:
    found = looked_at(new_entry("+0-3"))
    assert found.outcome is Outcome.FELL_BACK
    (failure,) = found.failures
    assert (failure.version, failure.root_hash) == ("1.0.1", NEW)


def test_a_damaged_kernel_image_is_known_by_what_was_armed() -> None:
    (failure,) = looked_at(new_entry("+0-3", root_hash="")).failures
    assert (failure.version, failure.root_hash) == ("1.0.1", NEW)
    assert "kernel image could not be loaded" in failure.reason


def test_a_kernel_image_that_names_another_root_condemns_both() -> None:
    wrong = "55" * 32
    found = looked_at(new_entry("+0-3", root_hash=wrong), boots=log(*[(wrong, Stage.INITRD)] * 3))
    assert {one.root_hash for one in found.failures} == {NEW, wrong}
    assert all("never reached userspace" in one.reason for one in found.failures)


def test_a_blessed_version_that_was_marked_bad_is_quarantined_without_being_armed() -> None:
    boots = log(
        (NEW, Stage.STABLE), (NEW, Stage.INITRD), (NEW, Stage.USERSPACE), (OLD, Stage.INITRD)
    ).with_marked_bad("twinkeel_1.0.1.efi", NEW, "boot-4")
    found = looked_at(new_entry("+0-5"), state=EngineState(), boots=boots)
    assert found.outcome is Outcome.NOTHING
    (failure,) = found.failures
    assert failure.reason.startswith("it was good, then kept failing: it stopped before")
    assert failure.boot_ids == ("boot-2", "boot-3")


def test_a_failure_is_assessed_once() -> None:
    known = EngineState().with_quarantined(Quarantined("1.0.1", NEW, "it panicked", 1))
    assert looked_at(new_entry("+0-3"), state=known).failures == ()


def test_this_start_is_not_one_of_the_failed_ones() -> None:
    boots = log((NEW, Stage.INITRD)).begun(NEW, "boot-now")
    (failure,) = looked_at(new_entry("+0-3"), boots=boots).failures
    assert failure.boot_ids == ("boot-1",)


def test_no_start_at_all_means_that_the_loader_failed() -> None:
    assert "kernel image could not be loaded" in reason()


def test_the_initrd_alone_means_that_the_root_is_bad() -> None:
    text = reason((NEW, Stage.INITRD), (NEW, Stage.INITRD))
    assert text.startswith("it never reached userspace in 2 boots")


def test_userspace_without_a_verdict_means_a_panic_or_a_hang() -> None:
    text = reason((NEW, Stage.INITRD), (NEW, Stage.USERSPACE))
    assert "stopped before its health was known" in text


def test_a_healthy_start_that_fell_back_did_not_stay_up() -> None:
    assert reason((NEW, Stage.HEALTHY)) == "it came up in its one boot but did not stay up"


def test_the_failed_check_is_the_reason() -> None:
    check = FailedCheck(NEW, "boot-1", "20-network", "no address")
    state = EngineState(armed=ARMED.armed, failed_check=check)
    assert reason((NEW, Stage.USERSPACE), state=state) == (
        "health check 20-network failed: no address"
    )


def test_a_check_without_a_message_is_named_all_the_same() -> None:
    check = FailedCheck(NEW, "boot-1", "20-network", "")
    state = EngineState(armed=ARMED.armed, failed_check=check)
    assert reason(state=state) == "health check 20-network failed"


def test_the_failed_check_of_another_version_is_no_reason() -> None:
    check = FailedCheck(OLD, "boot-1", "20-network", "no address")
    state = EngineState(armed=ARMED.armed, failed_check=check)
    assert "20-network" not in reason((NEW, Stage.USERSPACE), state=state)


EVERY_ENTRY = (*Assessment, None)
SETS = [
    entries
    for count in range(3)
    for entries in itertools.combinations_with_replacement(EVERY_ENTRY, count)
]
RULES: dict[str, Callable[[Sequence[Assessment | None]], bool]] = {
    "exactly one, good": lambda entries: list(entries) == [Assessment.GOOD],
    "none": lambda entries: not entries,
    "one of them good": lambda entries: Assessment.GOOD in entries,
    "all bad": lambda entries: set(entries) == {Assessment.BAD},
    "anything else": lambda entries: True,  # noqa: ARG005 - what the rows before left
}


@pytest.mark.parametrize("runs", [True, False])
@pytest.mark.parametrize("entries", SETS)
def test_the_page_says_what_a_boot_finds_out(
    entries: tuple[Assessment | None, ...],
    runs: bool,  # noqa: FBT001 - a table
) -> None:
    rows = table("update-engine.md", "What a boot finds out")
    mine = [row for row in rows if row[0] == ("runs" if runs else "does not run")]
    said = next(row[2] for row in mine if RULES[row[1]](entries))
    assert outcome_of(entries, runs=runs).value == said


def test_the_page_names_every_outcome_of_an_armed_version() -> None:
    named = {row[2] for row in table("update-engine.md", "What a boot finds out")}
    assert named == {one.value for one in Outcome} - {Outcome.NOTHING.value}


LEFT = log((NEW, Stage.INITRD), (NEW, Stage.INITRD)).with_marked_bad(
    "twinkeel_b.efi", NEW, "boot-2"
)


def still_good(*, running: str = OLD, boots: BootLog = LEFT) -> Findings:
    """The entry that was left keeps its mark, as U-Boot's slot state does."""
    return looked_at(new_entry(""), state=EngineState(), boots=boots, running=running)


def test_a_version_that_the_initrd_left_is_quarantined_whatever_its_mark() -> None:
    (failure,) = still_good().failures
    assert failure.reason.startswith("it was good, then kept failing: it never reached userspace")


def test_a_version_that_came_up_since_is_not() -> None:
    since = LEFT.begun(NEW, "boot-3").reached("boot-3", Stage.STABLE)
    assert still_good(boots=since).failures == ()


def test_a_version_that_runs_again_is_not() -> None:
    assert still_good(running=NEW).failures == ()
