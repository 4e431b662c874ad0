"""Configuration that is not exactly as declared is refused with file and key."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import pytest

from hostio.files import config
from osmodel.faults import InvalidInput
from osmodel.version import Version


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass(frozen=True)
class Wheel:
    radius_mm: int
    name: str = "front"


@dataclasses.dataclass(frozen=True)
class Car:
    name: str
    wheels: tuple[Wheel, ...] = ()
    weight: float = 1.0
    loud: bool = False
    manual: Path | None = None
    colour: Colour = Colour.RED
    version: Version | None = None
    seats: Mapping[str, int] = dataclasses.field(default_factory=dict)
    spare: Wheel | None = None

    def __post_init__(self) -> None:
        if self.weight <= 0:
            raise InvalidInput(f"weight: not above 0: {self.weight}")


GOOD = """
name = "one"
weight = 2
loud = true
manual = "a/b"
colour = "blue"
version = "1.2"
[seats]
front = 2
[spare]
radius_mm = 7
[[wheels]]
radius_mm = 9
name = "back"
"""


def test_every_kind_of_value_is_read() -> None:
    assert config.parse(Car, GOOD, source="car.toml") == Car(
        name="one",
        wheels=(Wheel(9, "back"),),
        weight=2.0,
        loud=True,
        manual=Path("a/b"),
        colour=Colour.BLUE,
        version=Version((1, 2)),
        seats={"front": 2},
        spare=Wheel(7),
    )


BAD = {
    "": "car.toml: name: missing",
    "name = 1": "car.toml: name: expected a string, got 1",
    'name = "a"\nloud = 1': "car.toml: loud: expected true or false, got 1",
    'name = "a"\nseats = 3': "car.toml: seats: expected a table, got 3",
    'name = "a"\nseats = { a = true }': "car.toml: seats.a: expected an integer, got True",
    'name = "a"\nwheels = 3': "car.toml: wheels: expected a list, got 3",
    'name = "a"\n[[wheels]]\nname = "x"': "car.toml: wheels[0].radius_mm: missing",
    'name = "a"\n[spare]\nradius_mm = "x"': "car.toml: spare.radius_mm: expected an integer",
    'name = "a"\ncolour = "bleu"': "car.toml: colour: unknown value 'bleu'",
    'name = "a"\nversion = "01"': "car.toml: version: not a version: '01'",
    'name = "a"\nweight = 0': "car.toml: weight: not above 0: 0.0",
    "name = ": "car.toml: Invalid value",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_value_is_named_with_its_file_and_key(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        config.parse(Car, text, source="car.toml")
    assert str(caught.value).startswith(BAD[text])


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('name = "a"\nwheel = 1', "did you mean 'wheels'?"),
        ('name = "a"\ncolour = "bleu"', "did you mean 'blue'?"),
        ('name = "a"\ncolour = "x"', "known keys: blue, red"),
    ],
)
def test_a_typo_is_answered_with_a_suggestion(text: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        config.parse(Car, text, source="car.toml")
    assert caught.value.hint == hint


def test_a_missing_file_is_the_operators_fault(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such file"):
        config.load(Car, tmp_path / "car.toml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "car.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(InvalidInput, match="not UTF-8 at byte 8"):
        config.load(Car, tmp_path / "car.toml")
