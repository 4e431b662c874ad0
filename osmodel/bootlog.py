"""The start ledger: how far each start of this machine got.

The loader stops counting once an entry is proven, so a slot that breaks later
would be tried for ever. The initrd therefore writes each start down before it
touches the root, and the running system says how far it came. A row of starts
that never settled is the ground for taking the proven standing away again.

The ledger is advice, never a gate: a damaged one is begun anew.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import NamedTuple

from osmodel.faults import InvalidInput

KEPT_STARTS = 32
KEPT_UNBLESSED = 8
MAX_TEXT = 64 * 1024  # characters; a whole ledger of ours has 8 KiB

# Every ledger has this size, so that a full disk can still take it in place.
SIZE = 8192  # bytes

_FORMAT = 1


class Stage(StrEnum):
    """How far a start came, in this order."""

    INITRD = "initrd"
    USERSPACE = "userspace"
    HEALTHY = "healthy"
    SETTLED = "settled"


_ORDER = {stage: place for place, stage in enumerate(Stage)}


class Start(NamedTuple):
    """One start.

    Attributes:
        root_hash: of the root that was to be started, 64 hex digits.
        boot_id: the kernel's id of this start.
        stage: the furthest stage that was written down.
    """

    root_hash: str
    boot_id: str
    stage: Stage = Stage.INITRD


class Unblessed(NamedTuple):
    """An entry that lost its proven standing.

    Attributes:
        root_hash: of the slot that kept failing.
        entry: file name it had on the ESP.
        boot_id: the start that took the standing away.
    """

    root_hash: str
    entry: str
    boot_id: str


class Ledger(NamedTuple):
    """All that is remembered, oldest first."""

    starts: tuple[Start, ...] = ()
    unblessed: tuple[Unblessed, ...] = ()

    def begun(self, root_hash: str, boot_id: str) -> Ledger:
        """The ledger with one more start; the same start is not added twice."""
        if any(start.boot_id == boot_id for start in self.starts):
            return self
        starts = (*self.starts, Start(root_hash, boot_id))
        return self._replace(starts=starts[-KEPT_STARTS:])

    def reached(self, boot_id: str, stage: Stage) -> Ledger:
        """The ledger after a start came to ``stage``; it never goes back.

        An unknown ``boot_id`` changes nothing: that start could not be written.
        """
        starts = tuple(
            start._replace(stage=stage)
            if start.boot_id == boot_id and _ORDER[start.stage] < _ORDER[stage]
            else start
            for start in self.starts
        )
        return self._replace(starts=starts)

    def taken_back(self, entry: str, root_hash: str, boot_id: str) -> Ledger:
        """The ledger after ``entry`` lost its proven standing in this start."""
        unblessed = (*self.unblessed, Unblessed(root_hash, entry, boot_id))
        return self._replace(unblessed=unblessed[-KEPT_UNBLESSED:])

    def unsettled_in_a_row(self, root_hash: str, *, except_boot_id: str = "") -> int:
        """How many of the last starts were of this root and never settled.

        Args:
            root_hash: the root in question.
            except_boot_id: the start that is going on, which has not failed.
        """
        row = 0
        for start in reversed(self.starts):
            if start.boot_id == except_boot_id:
                continue
            if start.root_hash != root_hash or start.stage is Stage.SETTLED:
                break
            row += 1
        return row

    def stage_of(self, boot_id: str) -> Stage | None:
        """How far a start came, or ``None`` if it was never written."""
        found = [start.stage for start in self.starts if start.boot_id == boot_id]
        return found[-1] if found else None


def encode(ledger: Ledger) -> str:
    """The ledger as one line of JSON, filled with spaces; the inverse of ``parse``."""
    document = {
        "format": _FORMAT,
        "starts": [start._asdict() for start in ledger.starts],
        "unblessed": [entry._asdict() for entry in ledger.unblessed],
    }
    return json.dumps(document, separators=(",", ":")).ljust(SIZE - 1) + "\n"


def parse(text: str) -> Ledger:
    """Read a ledger; too many records are cut to the newest.

    Raises:
        InvalidInput: not a ledger. Callers begin a new one.
    """
    if len(text) > MAX_TEXT:
        raise InvalidInput(f"a start ledger of {len(text)} characters")
    try:
        document = json.loads(text)
        if document["format"] != _FORMAT:
            raise InvalidInput(f"unknown start ledger format {document['format']!r:.40}")
        starts = tuple(
            Start(_text(one["root_hash"]), _text(one["boot_id"]), Stage(one["stage"]))
            for one in document["starts"]
        )
        unblessed = tuple(
            Unblessed(_text(one["root_hash"]), _text(one["entry"]), _text(one["boot_id"]))
            for one in document["unblessed"]
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput(f"not a start ledger: {error}") from error
    return Ledger(starts[-KEPT_STARTS:], unblessed[-KEPT_UNBLESSED:])


def parse_or_new(text: str | None) -> Ledger:
    """The ledger, or an empty one if there is none or it is damaged."""
    if text is None:
        return Ledger()
    try:
        return parse(text)
    except InvalidInput:
        return Ledger()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {type(value).__name__}")
    return value
