"""Tables and diagrams of a page in docs, so that tests can hold the code against them."""

from tests.checkout import ROOT


def section(page: str, heading: str) -> str:
    """The text below a heading of the second level, to the next one."""
    _, found, rest = (ROOT / "docs" / page).read_text(encoding="utf-8").partition(f"## {heading}\n")
    assert found, f"docs/{page} has no section {heading}"
    return rest.partition("\n## ")[0]


def table(page: str, heading: str) -> list[tuple[str, ...]]:
    """The cells of the rows of a section's table, without its head."""
    rows = [line for line in section(page, heading).splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in rows[2:]]


def arrows(page: str, heading: str) -> set[str]:
    """The transitions of a section's diagram."""
    diagram = section(page, heading).partition("```mermaid")[2].partition("```")[0]
    return {line.strip() for line in diagram.splitlines() if "-->" in line}
