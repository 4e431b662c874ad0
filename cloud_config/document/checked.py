"""Values that passed the checks, still by name, on their way into a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Checked:
    """A single value.

    Attributes:
        text: as written; ``true`` or ``false`` for booleans, decimal for whole numbers.
        content: the same as bytes, where a value may be binary.
    """

    text: str = field(repr=False)
    line: int
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping.

    Attributes:
        lines: of every known key that was written, also of those whose value was refused.
        refused: values that are not allowed, as written.
        usable: false for an item that means nothing without what was refused or lacks.
    """

    line: int
    values: Mapping[str, Value] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict, repr=False)
    usable: bool = True

    def text(self, name: str) -> str:
        """A single value, empty if it was not said."""
        said = self.values.get(name)
        return said.text if isinstance(said, Checked) else ""

    def optional(self, name: str) -> str | None:
        """A single value, ``None`` if it was not said."""
        said = self.values.get(name)
        return said.text if isinstance(said, Checked) else None

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean."""
        said = self.values.get(name)
        return said.text == "true" if isinstance(said, Checked) else default

    def items(self, name: str) -> Iterator[Checked]:
        """The single values of a list, each with its line."""
        said = self.values.get(name)
        items = said if isinstance(said, tuple) else ()
        return (item for item in items if isinstance(item, Checked))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of single values."""
        return tuple(item.text for item in self.items(name))

    def groups(self, name: str) -> Iterator[Table]:
        """The usable mappings of a list."""
        return (group for group in self.all_groups(name) if group.usable)

    def all_groups(self, name: str) -> Iterator[Table]:
        """All mappings of a list."""
        said = self.values.get(name)
        items = said if isinstance(said, tuple) else ()
        return (item for item in items if isinstance(item, Table))

    def group(self, name: str) -> Table | None:
        """A mapping, ``None`` if it was not said."""
        said = self.values.get(name)
        return said if isinstance(said, Table) else None


Value = Checked | Table | tuple[Checked | Table, ...]
