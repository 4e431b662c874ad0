"""A table of single values of the document, such as ``coreos.etcd2``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cloud_config.planning.escaping import line
from cloud_config.planning.share import WHOLE, Share, error, total
from osmodel.faults import InvalidInput

_LONGEST = (1 << 17) - 1024  # characters; Linux starts no program with a longer variable


@dataclass(frozen=True, slots=True)
class Options:
    """The table.

    Attributes:
        name: dotted, as in findings.
        values: by key.
        lines: of keys in the document, by dotted name.
    """

    name: str
    values: Mapping[str, str]
    lines: Mapping[str, int] = field(default_factory=dict)

    def line(self, key: str = "") -> int:
        """Where a key is; without one, where the table's first key is."""
        if key:
            return self.lines.get(f"{self.name}.{key}", WHOLE)
        return min(filter(None, map(self.line, self.values)), default=WHOLE)

    def writable(self) -> tuple[Options, Share]:
        """The options that a line of a file can hold, and an error for each other one.

        A value that cannot be written costs itself, not the options beside it.
        """
        bad: dict[str, InvalidInput] = {}
        for key, value in self.values.items():
            try:
                _check(value)
            except InvalidInput as fault:
                bad[key] = fault
        kept = {key: value for key, value in self.values.items() if value and key not in bad}
        complaints = (
            error(f"{self.name}.{key} {fault}; it is left out", self.line(key))
            for key, fault in bad.items()
        )
        return replace(self, values=kept), total(complaints)


def _check(value: str) -> None:
    if len(value) > _LONGEST:
        raise InvalidInput(f"has more than {_LONGEST} characters")
    line(value)
