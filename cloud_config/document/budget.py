"""What reading one machine's user data may cost, counted where it is spent.

All steps between the bytes and the plan are linear in what is counted here, so
these three numbers bound memory and time of the whole way. Work counts whether
or not it succeeded: an archive that is damaged at its end costs what a good one
does, and an alias what a copy would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_BYTES: Final = 1 << 20
"""Of user data, and of one document in them."""
MAX_VALUES: Final = 100_000
MAX_TEXT: Final = 4 << 20
MAX_UNPACKED: Final = 16 << 20


class BudgetError(Exception):
    """A limit is reached; the text says which one."""


@dataclass(slots=True)
class Budget:
    """What is left, over all parts of the user data.

    Attributes:
        values: in trees, an alias counted as a copy of what it names.
        text: bytes of these values, counted the same way.
        unpacked: bytes that may come out of archives.
    """

    values: int = MAX_VALUES
    text: int = MAX_TEXT
    unpacked: int = MAX_UNPACKED

    def spend_values(self, count: int, size: int) -> None:
        """Count values, and the bytes of their text.

        Raises:
            BudgetError: there are too many.
        """
        self.values -= count
        self.text -= size
        if self.values < 0:
            raise BudgetError(f"more than {MAX_VALUES} values")
        if self.text < 0:
            raise BudgetError(f"values of more than {MAX_TEXT} bytes, aliases counted as copies")

    def spend_unpacked(self, size: int) -> None:
        """Count bytes that came out of an archive.

        Raises:
            BudgetError: they are too many.
        """
        self.unpacked -= size
        if self.unpacked < 0:
            raise BudgetError(f"archives hold more than {MAX_UNPACKED} bytes")
