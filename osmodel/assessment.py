"""What a loader thinks of an entry, whichever way it counts.

Source: systemd 262, docs/AUTOMATIC_BOOT_ASSESSMENT.md, whose words these are.
"""

from __future__ import annotations

from enum import StrEnum

TRIES = 3  # boots a new version gets before the loader marks it bad


class Assessment(StrEnum):
    """What the loader does with an entry at the next boot."""

    GOOD = "good"  # boots for ever; nothing is counted
    INDETERMINATE = "indeterminate"  # on trial: has tries left
    BAD = "bad"  # no tries left: every other entry is preferred
