"""The map of docs/architecture.md is the one of the folders."""

import re

from tests.checkout import ROOT
from tests.unit.project.named import PACKAGES

TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    """A section without its heading, up to the next of the same level."""
    _, _, rest = TEXT.partition(f"\n## {heading}\n")
    assert rest, heading
    return rest.partition("\n## ")[0]


def table(text: str, first: str) -> list[list[str]]:
    """Rows of the table whose first column is headed ``first``."""
    rows = text.partition(f"| {first} |")[2].splitlines()[2:]
    cells = []
    for row in rows:
        if not row.startswith("|"):
            break
        cells.append([cell.strip() for cell in row.strip("|").split(" | ")])
    return cells


def test_every_package_is_on_the_map() -> None:
    rows = table(section("4. Packages and their rooms"), "package")
    assert {row[0] for row in rows} == {f"`{name}`" for name in PACKAGES}


def test_every_room_is_on_the_map_and_every_room_of_the_map_is_there() -> None:
    rows = table(section("4. Packages and their rooms"), "room")
    drawn = {row[0].strip("`") for row in rows}
    folders = {
        f"{path.parent.relative_to(ROOT)}/"
        for name in PACKAGES
        for path in (ROOT / name).glob("*/__init__.py")
    }
    assert drawn == folders


def test_ten_typical_changes_have_places() -> None:
    rows = table(section("5. Where to find, where to add"), "change")
    assert len(rows) == 10
    for change, where in rows:
        assert re.search(
            r"`(osmodel|hostio|builder|mirror|update_engine|cloud_config|images)/", where
        ), change


def test_the_parts_to_come_have_places() -> None:
    rows = table(section("5. Where to find, where to add"), "part")
    assert {row[0] for row in rows} >= {"reboot manager", "scheduler of units", "delta payloads"}
    assert all("`" in row[1] for row in rows)


def test_the_glossary_has_each_word_once() -> None:
    words = [row[0] for row in table(section("6. Glossary"), "word")]
    assert len(words) == len(set(words))
    assert {"slot", "arm", "bless", "offer", "quarantine", "boot log", "preflight"} <= set(words)
