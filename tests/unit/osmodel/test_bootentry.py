import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmodel.assessment import Standing
from osmodel.bootentry import BootEntry, armed, parse
from osmodel.faults import InvalidInput

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
        assert entry.standing is Standing.ON_TRIAL
        entry = entry.after_boot()
    assert entry.filename == "twinkeel_1.4.0+0-3.efi"
    assert entry.standing is Standing.EXHAUSTED


def test_a_counted_name_never_grows() -> None:
    entry = armed("1.4.0", tries=9)
    for _ in range(20):
        assert len(entry.filename) == len("twinkeel_1.4.0+3-0.efi")
        entry = entry.after_boot()


def test_a_proven_entry_is_never_counted() -> None:
    entry = armed("1.4.0").after_boot().blessed()
    assert entry.filename == "twinkeel_1.4.0.efi"
    assert entry.standing is Standing.PROVEN
    assert entry.after_boot() == entry


def test_giving_up_a_proven_entry_shows_its_failed_starts() -> None:
    assert BootEntry("twinkeel_1.4.0").exhausted(5).filename == "twinkeel_1.4.0+0-5.efi"
    assert BootEntry("twinkeel_1.4.0").exhausted(12).filename == "twinkeel_1.4.0+0-9.efi"
    assert armed("1.4.0").after_boot().exhausted().filename == "twinkeel_1.4.0+0-1.efi"


@pytest.mark.parametrize("tries", [0, 10, -1])
def test_tries_are_one_digit_and_at_least_one(tries: int) -> None:
    with pytest.raises(InvalidInput, match="tries must be 1 to 9"):
        armed("1.4.0", tries)


def test_a_version_that_does_not_fit_is_never_armed() -> None:
    with pytest.raises(InvalidInput, match="characters"):
        armed("10.20.30.40")
