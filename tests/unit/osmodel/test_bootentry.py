import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmodel.assessment import Assessment
from osmodel.bootentry import BootEntry, armed, parse
from osmodel.faults import InvalidInput
from tests.fakes.loaders import after_boot

NAMES = {
    "twinkeel_1.4.0.efi": BootEntry("twinkeel_1.4.0"),
    "twinkeel_1.4.0+3-0.efi": BootEntry("twinkeel_1.4.0", 3, 0),
    "twinkeel_1.4.0+2-1.efi": BootEntry("twinkeel_1.4.0", 2, 1),
    "twinkeel_1.4.0+0-3.efi": BootEntry("twinkeel_1.4.0", 0, 3),
}


@pytest.mark.parametrize("name", NAMES)
def test_reads_every_form_the_loader_writes(name: str) -> None:
    assert parse(name) == NAMES[name]


@pytest.mark.parametrize(
    "name",
    [
        "twinkeel_1.4.0+3.efi",
        "twinkeel_1.4.0+10-0.efi",
        "twinkeel_1.4.0+3-.efi",
        "twinkeel_01.4.0.efi",
        "twinkeel_100000.200.efi",
        "twinkeel_1.efi",
        "TWINKE~1.EFI",
        "other_1.4.0.efi",
        "../twinkeel_1.4.0.efi",
        "twinkeel_1.4.0.efi\n",
        "",
    ],
)
def test_refuses_names_this_system_does_not_write(name: str) -> None:
    with pytest.raises(InvalidInput):
        parse(name)


@given(st.sampled_from(["1.0", "10.20.300"]), st.integers(0, 9), st.integers(0, 9))
def test_parsing_undoes_naming(version: str, left: int, done: int) -> None:
    entry = BootEntry(f"twinkeel_{version}", left, done)
    assert parse(entry.filename) == entry
    assert parse(entry.filename).version == version


def test_a_new_version_has_three_tries_then_none() -> None:
    entry = armed("1.4.0")
    for name in ("+3-0", "+2-1", "+1-2"):
        assert entry.filename == f"twinkeel_1.4.0{name}.efi"
        assert entry.assessment is Assessment.INDETERMINATE
        entry = after_boot(entry)
    assert entry.filename == "twinkeel_1.4.0+0-3.efi"
    assert entry.assessment is Assessment.BAD


def test_a_counted_name_never_grows() -> None:
    entry = armed("1.4.0", tries=9)
    for _ in range(20):
        assert len(entry.filename) == len("twinkeel_1.4.0+3-0.efi")
        entry = after_boot(entry)


def test_a_good_entry_is_never_counted() -> None:
    entry = after_boot(armed("1.4.0")).blessed()
    assert entry.filename == "twinkeel_1.4.0.efi"
    assert entry.assessment is Assessment.GOOD
    assert after_boot(entry) == entry


def test_marking_a_good_entry_bad_shows_its_failed_boots() -> None:
    assert BootEntry("twinkeel_1.4.0").marked_bad(5).filename == "twinkeel_1.4.0+0-5.efi"
    assert BootEntry("twinkeel_1.4.0").marked_bad(12).filename == "twinkeel_1.4.0+0-9.efi"
    assert after_boot(armed("1.4.0")).marked_bad().filename == "twinkeel_1.4.0+0-1.efi"


@pytest.mark.parametrize("tries", [0, 10, -1])
def test_tries_are_one_digit_and_at_least_one(tries: int) -> None:
    with pytest.raises(InvalidInput, match="tries must be 1 to 9"):
        armed("1.4.0", tries)


def test_a_version_that_does_not_fit_is_never_armed() -> None:
    with pytest.raises(InvalidInput, match="characters"):
        armed("10.20.30.40")
