"""What a loader thinks of an entry, whichever way it counts."""

from __future__ import annotations

from enum import StrEnum

TRIES = 3  # boots a new version gets before the loader gives it up


class Standing(StrEnum):
    """What the loader does with an entry at the next boot."""

    PROVEN = "proven"
    ON_TRIAL = "on-trial"
    EXHAUSTED = "exhausted"
