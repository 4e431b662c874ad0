"""Series of measurements, and tables of them as text and as JSON.

A ratio is always a median divided by the median of another row of the same
table: rows are measured in turn, so both sides meet the same machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from osmodel.faults import Fault

_SHOWN_WHOLE = 1000  # numbers from here on lose their fraction


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one quantity, one per round."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, *values: float) -> Series:
        """A series of the given values."""
        return cls(values)

    @property
    def median(self) -> float:
        """The middle value."""
        return median(self.values)

    def __str__(self) -> str:
        if len(self.values) == 1:
            return _number(self.median)
        three = (min(self.values), self.median, max(self.values))
        return " / ".join(_number(value) for value in three)


@dataclass(frozen=True, slots=True)
class Row:
    """One measured thing.

    Attributes:
        label: what was measured.
        cells: one series per column; ``None`` where there is nothing to measure.
        against: label of the row that its ratios divide by, if any.
    """

    label: str
    cells: tuple[Series | None, ...]
    against: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """What one benchmark found.

    Attributes:
        title: what was measured, and on what.
        columns: names of the quantities, with units.
        rows: in the order they are read.
        notes: conditions that a reader needs to judge the numbers.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def ratios(self, row: Row) -> tuple[float | None, ...]:
        """The row's medians over those of the row it is compared with."""
        if not row.against:
            return (None,) * len(row.cells)
        (peer,) = [other for other in self.rows if other.label == row.against]
        return tuple(_ratio(own, its) for own, its in zip(row.cells, peer.cells, strict=True))

    def as_text(self) -> str:
        """Aligned columns: ``min / median / max``, then the ratio."""
        head = ["", *self.columns]
        lines = [head, *([row.label, *self._cells(row)] for row in self.rows)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
        text = [
            "  ".join(_fit(cell, widths, place) for place, cell in enumerate(line)).rstrip()
            for line in lines
        ]
        notes = [f"- {note}" for note in self.notes]
        return "\n".join([self.title, "", *text, "", *notes]).rstrip() + "\n"

    def as_json(self) -> str:
        """One object on one line, with the ratios."""
        content = asdict(self)
        for entry, row in zip(content["rows"], self.rows, strict=True):
            entry["ratios"] = self.ratios(row)
        return json.dumps(content)

    def _cells(self, row: Row) -> list[str]:
        cells = []
        for series, ratio in zip(row.cells, self.ratios(row), strict=True):
            text = "-" if series is None else str(series)
            cells.append(text if ratio is None else f"{text}  x{ratio:.2f}")
        return cells


def options(name: str, description: str) -> argparse.ArgumentParser:
    """The command line that every benchmark has."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def show(table: Table, *, as_json: bool) -> None:
    """Print a table."""
    print(table.as_json() if as_json else table.as_text())


def run(parser: argparse.ArgumentParser, measure: Callable[..., Iterable[Table]]) -> int:
    """Measure what the command line asks for, print it, and return the exit status.

    Args:
        parser: made by :func:`options`.
        measure: takes the parsed options; each table is printed when it is there.
    """
    chosen = parser.parse_args()
    try:
        for table in measure(chosen):
            show(table, as_json=chosen.json)
    except Fault as fault:
        print(f"{parser.prog}: {fault}", file=sys.stderr)
        return fault.exit_status
    return 0


def collect(rounds: Sequence[Sequence[float]]) -> tuple[Series, ...]:
    """Series per column from values per round."""
    return tuple(Series(tuple(column)) for column in zip(*rounds, strict=True))


def _ratio(own: Series | None, peer: Series | None) -> float | None:
    if own is None or peer is None or not peer.median:
        return None
    return own.median / peer.median


def _number(value: float) -> str:
    if value == int(value):
        return str(int(value))
    return f"{value:.3g}" if abs(value) < _SHOWN_WHOLE else f"{value:.0f}"


def _fit(cell: str, widths: Sequence[int], place: int) -> str:
    return cell.rjust(widths[place]) if place else cell.ljust(widths[place])
