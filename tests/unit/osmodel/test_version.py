"""Version numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmodel.faults import InvalidInput
from osmodel.version import Version


def version(text: str) -> Version:
    return Version.parse(text)


@given(st.lists(st.integers(0, 99), min_size=2, max_size=3))
def test_parsing_undoes_writing(numbers: list[int]) -> None:
    written = Version(tuple(numbers))
    assert Version.parse(str(written)) == written


def test_numbers_are_compared_as_numbers() -> None:
    assert version("1.10.0") > version("1.9.9")
    assert version("2.0") > version("1.99.99")
    assert version("1.0") < version("1.0.0") < version("1.0.0.1")


MALFORMED = [
    "1",
    "1.",
    ".1",
    "1..2",
    "1.2.3.4.5",
    "01.2",
    "1.02",
    "1.0-1",
    "1.0+3",
    "v1.0",
    "1.٢",
    "../1.0",
    "-1.0",
    "1.0/2",
]


@pytest.mark.parametrize("text", ["", "1.0\n", " 1.0", *MALFORMED])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        version(text)


def test_a_version_that_would_not_fit_an_entry_name_is_refused() -> None:
    assert str(version("100.200.3")) == "100.200.3"
    with pytest.raises(InvalidInput, match="10 characters"):
        version("100.200.30")
