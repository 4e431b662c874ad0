import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmodel.bootlog import (
    KEPT_BOOTS,
    KEPT_MARKED_BAD,
    KEPT_NOTED,
    NOTE_SIZE,
    SIZE,
    Boot,
    BootLog,
    MarkedBad,
    Note,
    Stage,
    encode,
    encode_note,
    parse,
    parse_note,
    parse_or_new,
)
from osmodel.faults import InvalidInput

ONE, TWO = "1" * 64, "2" * 64


def history(*stages: Stage, root: str = ONE, after: BootLog | None = None) -> BootLog:
    log = after or BootLog()
    for stage in stages:
        boot = f"boot-{len(log.boots)}"
        log = log.begun(root, boot).reached(boot, stage)
    return log


WORDS = st.text("0123456789abcdef-", max_size=64)
BOOTS = st.builds(Boot, WORDS, WORDS, st.sampled_from(Stage))
LOGS = st.builds(
    BootLog,
    st.lists(BOOTS, max_size=KEPT_BOOTS).map(tuple),
    st.lists(st.builds(MarkedBad, WORDS, WORDS, WORDS), max_size=3).map(tuple),
)


@given(LOGS)
def test_parsing_undoes_encoding(log: BootLog) -> None:
    assert parse(encode(log)) == log


def test_the_fullest_boot_log_fits_into_its_file() -> None:
    log = BootLog((Boot("b" * 64, "b" * 64, Stage.USERSPACE),) * KEPT_BOOTS)
    log = log._replace(marked_bad=(MarkedBad("b" * 64, "b" * 64, "b" * 64),) * KEPT_MARKED_BAD)
    assert parse(encode(log)) == log
    assert len(encode(log)) == len(encode(BootLog())) == SIZE


def test_a_boot_begins_in_the_initrd() -> None:
    assert BootLog().begun(ONE, "b").boots == (Boot(ONE, "b", Stage.INITRD),)


def test_one_boot_is_counted_once() -> None:
    log = BootLog().begun(ONE, "b")
    assert log.begun(ONE, "b") == log


def test_a_stage_never_goes_back() -> None:
    log = history(Stage.HEALTHY)
    assert log.reached("boot-0", Stage.USERSPACE) == log
    assert log.reached("boot-0", Stage.STABLE).stage_of("boot-0") is Stage.STABLE


def test_a_boot_that_could_not_be_written_changes_nothing() -> None:
    log = history(Stage.HEALTHY)
    assert log.reached("other", Stage.STABLE) == log
    assert log.stage_of("other") is None


@pytest.mark.parametrize("stage", [Stage.INITRD, Stage.USERSPACE, Stage.HEALTHY])
def test_boots_that_did_not_become_stable_are_counted(stage: Stage) -> None:
    assert history(stage, stage, stage).unstable_in_a_row(ONE) == 3


def test_a_stable_boot_ends_the_row() -> None:
    log = history(Stage.INITRD, Stage.STABLE, Stage.INITRD, Stage.INITRD)
    assert log.unstable_in_a_row(ONE) == 2


def test_a_boot_of_the_other_root_ends_the_row() -> None:
    log = history(Stage.INITRD, after=history(Stage.INITRD, root=TWO))
    assert log.unstable_in_a_row(ONE) == 1
    assert log.unstable_in_a_row(TWO) == 0


def test_the_boot_that_goes_on_has_not_failed() -> None:
    log = history(Stage.INITRD, Stage.INITRD).begun(ONE, "me")
    assert log.unstable_in_a_row(ONE, except_boot_id="me") == 2


def test_only_the_newest_boots_are_kept() -> None:
    log = history(*[Stage.INITRD] * (KEPT_BOOTS + 5))
    assert len(log.boots) == KEPT_BOOTS
    assert log.boots[-1].boot_id == f"boot-{KEPT_BOOTS}" or log.boots[-1].boot_id


def test_an_entry_that_was_marked_bad_is_remembered() -> None:
    log = BootLog().with_marked_bad("twinkeel_1.0.efi", ONE, "b")
    assert parse(encode(log)).marked_bad == (MarkedBad(ONE, "twinkeel_1.0.efi", "b"),)


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
    '{"format":1,"starts":[{"root_hash":"1","boot_id":"%s","stage":"initrd"}],"unblessed":[]}'
    % ("b" * 65),
    "[" * 30000,
    "\0" * 100,
    " " * 70000,
]


@pytest.mark.parametrize("text", GARBAGE, ids=lambda text: text[:40])
def test_garbage_is_not_a_boot_log(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse(text)
    assert parse_or_new(text) == BootLog()


def test_a_missing_boot_log_is_begun_anew() -> None:
    assert parse_or_new(None) == BootLog()


def test_a_boot_log_with_too_many_boots_is_cut_to_the_newest() -> None:
    boots = [Boot(ONE, str(number), Stage.INITRD)._asdict() for number in range(100)]
    text = json.dumps({"format": 1, "starts": boots, "unblessed": []})
    assert [boot.boot_id for boot in parse(text).boots][-1] == "99"
    assert len(parse(text).boots) == KEPT_BOOTS


def test_the_words_on_disk_are_those_of_older_versions() -> None:
    log = BootLog().begun(ONE, "b").reached("b", Stage.STABLE).with_marked_bad("x.efi", TWO, "b")
    assert json.loads(encode(log)) == {
        "format": 1,
        "starts": [{"root_hash": ONE, "boot_id": "b", "stage": "settled"}],
        "unblessed": [{"root_hash": TWO, "entry": "x.efi", "boot_id": "b"}],
    }


ID = "{:08x}-0000-4000-8000-000000000000"


def test_noted_boots_are_stable() -> None:
    log = BootLog().begun(ONE, ID.format(1)).begun(ONE, ID.format(2))
    note = Note().with_boot(ID.format(1))
    assert log.with_noted(note).stage_of(ID.format(1)) is Stage.STABLE
    assert log.with_noted(note).unstable_in_a_row(ONE) == 1


def test_a_note_fits_into_one_sector_and_keeps_the_newest() -> None:
    note = Note()
    for number in range(50):
        note = note.with_boot(ID.format(number))
    assert len(encode_note(note)) == NOTE_SIZE
    assert parse_note(encode_note(note)) == note
    assert note.boot_ids == tuple(ID.format(number) for number in range(50 - KEPT_NOTED, 50))


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 600, b"no boot id\n", bytes(512)])
def test_garbage_is_an_empty_note(content: bytes | None) -> None:
    assert parse_note(content) == Note()
