import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmodel.bootlog import (
    KEPT_STARTS,
    SIZE,
    Ledger,
    Stage,
    Start,
    Unblessed,
    encode,
    parse,
    parse_or_new,
)
from osmodel.faults import InvalidInput

ONE, TWO = "1" * 64, "2" * 64


def history(*stages: Stage, root: str = ONE, after: Ledger | None = None) -> Ledger:
    ledger = after or Ledger()
    for stage in stages:
        boot = f"boot-{len(ledger.starts)}"
        ledger = ledger.begun(root, boot).reached(boot, stage)
    return ledger


STARTS = st.builds(Start, st.text(max_size=64), st.text(max_size=36), st.sampled_from(Stage))
LEDGERS = st.builds(
    Ledger,
    st.lists(STARTS, max_size=KEPT_STARTS).map(tuple),
    st.lists(st.builds(Unblessed, st.text(), st.text(), st.text()), max_size=3).map(tuple),
)


@given(LEDGERS)
def test_parsing_undoes_encoding(ledger: Ledger) -> None:
    assert parse(encode(ledger)) == ledger


def test_the_fullest_ledger_has_the_size_of_an_empty_one() -> None:
    ledger = history(*[Stage.USERSPACE] * KEPT_STARTS)
    starts = tuple(start._replace(boot_id="b" * 36) for start in ledger.starts)
    record = Unblessed(ONE, "twinkeel_10.10.10.efi", "b" * 36)
    full = Ledger(starts, (record,) * 8)
    assert len(encode(full)) == len(encode(Ledger())) == SIZE


def test_a_start_begins_in_the_initrd() -> None:
    assert Ledger().begun(ONE, "b").starts == (Start(ONE, "b", Stage.INITRD),)


def test_one_start_is_counted_once() -> None:
    ledger = Ledger().begun(ONE, "b")
    assert ledger.begun(ONE, "b") == ledger


def test_a_stage_never_goes_back() -> None:
    ledger = history(Stage.HEALTHY)
    assert ledger.reached("boot-0", Stage.USERSPACE) == ledger
    assert ledger.reached("boot-0", Stage.SETTLED).stage_of("boot-0") is Stage.SETTLED


def test_a_start_that_could_not_be_written_changes_nothing() -> None:
    ledger = history(Stage.HEALTHY)
    assert ledger.reached("other", Stage.SETTLED) == ledger
    assert ledger.stage_of("other") is None


@pytest.mark.parametrize("stage", [Stage.INITRD, Stage.USERSPACE, Stage.HEALTHY])
def test_starts_that_did_not_settle_are_counted(stage: Stage) -> None:
    assert history(stage, stage, stage).unsettled_in_a_row(ONE) == 3


def test_a_settled_start_ends_the_row() -> None:
    ledger = history(Stage.INITRD, Stage.SETTLED, Stage.INITRD, Stage.INITRD)
    assert ledger.unsettled_in_a_row(ONE) == 2


def test_a_start_of_the_other_root_ends_the_row() -> None:
    ledger = history(Stage.INITRD, after=history(Stage.INITRD, root=TWO))
    assert ledger.unsettled_in_a_row(ONE) == 1
    assert ledger.unsettled_in_a_row(TWO) == 0


def test_the_start_that_goes_on_has_not_failed() -> None:
    ledger = history(Stage.INITRD, Stage.INITRD).begun(ONE, "me")
    assert ledger.unsettled_in_a_row(ONE, except_boot_id="me") == 2


def test_only_the_newest_starts_are_kept() -> None:
    ledger = history(*[Stage.INITRD] * (KEPT_STARTS + 5))
    assert len(ledger.starts) == KEPT_STARTS
    assert ledger.starts[-1].boot_id == f"boot-{KEPT_STARTS}" or ledger.starts[-1].boot_id


def test_what_was_taken_back_is_remembered() -> None:
    ledger = Ledger().taken_back("twinkeel_1.0.efi", ONE, "b")
    assert parse(encode(ledger)).unblessed == (Unblessed(ONE, "twinkeel_1.0.efi", "b"),)


GARBAGE = [
    "",
    "{",
    "[]",
    "null",
    "7",
    '"text"',
    "{}",
    '{"format":2,"starts":[],"unblessed":[]}',
    '{"format":1,"starts":{},"unblessed":[1]}',
    '{"format":1,"starts":[{}],"unblessed":[]}',
    '{"format":1,"starts":[{"root_hash":1,"boot_id":"b","stage":"initrd"}],"unblessed":[]}',
    '{"format":1,"starts":[{"root_hash":"1","boot_id":"b","stage":"flying"}],"unblessed":[]}',
    '{"format":1,"starts":[]}',
    "[" * 30000,
    "\0" * 100,
    " " * 70000,
]


@pytest.mark.parametrize("text", GARBAGE, ids=lambda text: text[:40])
def test_garbage_is_not_a_ledger(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse(text)
    assert parse_or_new(text) == Ledger()


def test_a_missing_ledger_is_begun_anew() -> None:
    assert parse_or_new(None) == Ledger()


def test_a_ledger_with_too_many_starts_is_cut_to_the_newest() -> None:
    starts = [Start(ONE, str(number), Stage.INITRD)._asdict() for number in range(100)]
    text = json.dumps({"format": 1, "starts": starts, "unblessed": []})
    assert [start.boot_id for start in parse(text).starts][-1] == "99"
    assert len(parse(text).starts) == KEPT_STARTS
