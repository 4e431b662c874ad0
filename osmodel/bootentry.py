"""File names of boot entries, and the try counter the loader keeps in them.

``twinkeel_1.4.0+3-0.efi`` has three boots left, ``twinkeel_1.4.0+2-1.efi`` two
left and one used, ``twinkeel_1.4.0+0-3.efi`` none: the loader puts it last.
``twinkeel_1.4.0.efi`` is good and boots for ever. Nothing else stores which
version boots next, so these names are the protocol between loader, initrd and
update engine.

Counters are always written with both numbers and one digit each, and versions
are short: the directory entry keeps its length for life and fits in the first
sector of its directory, where the firmware's rename is a single write.

Refuses every name this system does not write itself, also some the loader
would boot: an operator must look at such a file, the engine does not guess.

Source: UAPI.1 Boot Loader Specification, "Boot counting";
systemd 262, docs/AUTOMATIC_BOOT_ASSESSMENT.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from osmodel.assessment import TRIES, Assessment
from osmodel.faults import InvalidInput
from osmodel.version import Version

_PREFIX = "twinkeel_"
_MOST_TRIES = 9  # one digit, so that a counted name never changes its length
_NAME = re.compile(r"(?P<stem>twinkeel_[0-9.]+)(?:\+(?P<left>[0-9])-(?P<done>[0-9]))?\.efi")


@dataclass(frozen=True, slots=True)
class BootEntry:
    """One unified kernel image in ``EFI/Linux``, as its name describes it.

    Attributes:
        stem: name without counter and suffix, e.g. ``twinkeel_1.4.0``.
        tries_left: boots the loader may still spend, 0-9; ``None`` once it is good.
        tries_done: boots spent so far, 0-9; 0 for a good entry.
    """

    stem: str
    tries_left: int | None = None
    tries_done: int = 0

    @property
    def version(self) -> str:
        """The version in the name; the image's own ``.osrel`` is what counts."""
        return self.stem.removeprefix(_PREFIX)

    @property
    def assessment(self) -> Assessment:
        """What the loader makes of the counter."""
        if self.tries_left is None:
            return Assessment.GOOD
        return Assessment.INDETERMINATE if self.tries_left else Assessment.BAD

    @property
    def filename(self) -> str:
        """The name on the ESP; the inverse of :func:`parse`."""
        if self.tries_left is None:
            return f"{self.stem}.efi"
        return f"{self.stem}+{self.tries_left}-{self.tries_done}.efi"

    def blessed(self) -> BootEntry:
        """The entry with its counter dropped: the loader never marks it bad."""
        return replace(self, tries_left=None, tries_done=0)

    def retried(self) -> BootEntry:
        """The entry with as many tries as a new one."""
        return replace(self, tries_left=TRIES, tries_done=0)

    def marked_bad(self, boots: int = 0) -> BootEntry:
        """The entry without tries: the loader prefers every other one.

        Args:
            boots: failed boots to show in the name, when more than the
                counter has seen; written as 9 at most.
        """
        done = min(max(self.tries_done, boots), _MOST_TRIES)
        return replace(self, tries_left=0, tries_done=done)


def armed(version: str, tries: int = TRIES) -> BootEntry:
    """The entry of a freshly written version with ``tries`` boots to prove itself.

    Raises:
        InvalidInput: the version or the number does not fit in an entry name.
    """
    if not 1 <= tries <= _MOST_TRIES:
        raise InvalidInput(f"tries must be 1 to {_MOST_TRIES}, got {tries}")
    return BootEntry(f"{_PREFIX}{Version.parse(version)}", tries_left=tries)


def parse(filename: str) -> BootEntry:
    """Read a file name of ``EFI/Linux``.

    Raises:
        InvalidInput: not a name this system writes.
    """
    found = _NAME.fullmatch(filename)
    if found is None:
        raise InvalidInput(f"not a boot entry name: {filename[:80]!r}")
    Version.parse(found["stem"].removeprefix(_PREFIX))
    left = found["left"]
    return BootEntry(
        found["stem"],
        tries_left=None if left is None else int(left),
        tries_done=int(found["done"] or 0),
    )
