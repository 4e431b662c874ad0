"""The boot log: how far each boot of this machine got.

The loader stops counting once an entry is good, so a slot that breaks later
would be tried for ever. The initrd therefore writes each boot down before it
touches the root, and the running system says how far it came. A row of boots
that never became stable is the ground for marking the entry bad.

The log is advice, never a gate: a damaged one is begun anew. Two versions of
this system share it on one machine, so the names in the file are older than
the words of the code (docs/adr/0013-names-on-disk.md).
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import NamedTuple

from osmodel.faults import InvalidInput

KEPT_BOOTS = 32
KEPT_MARKED_BAD = 8
MAX_TEXT = 64 * 1024  # characters; a whole log of ours has 8 KiB

# Every log has this size: an older version writes it in place on a full disk.
SIZE = 8192  # bytes

NOTE = "stable.txt"  # in the top directory of the ESP
NOTE_SIZE = 512  # bytes: one sector, so that no power cut can tear it
KEPT_NOTED = 12
_BOOT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_FORMAT = 1
_LONGEST = 64  # characters of a root hash, a boot id, a file name


class Stage(StrEnum):
    """How far a boot came, in this order."""

    INITRD = "initrd"
    USERSPACE = "userspace"
    HEALTHY = "healthy"
    STABLE = "settled"


_ORDER = {stage: place for place, stage in enumerate(Stage)}


class Boot(NamedTuple):
    """One boot.

    Attributes:
        root_hash: of the root that was to be started, 64 hex digits.
        boot_id: the kernel's id of this boot.
        stage: the furthest stage that was written down.
    """

    root_hash: str
    boot_id: str
    stage: Stage = Stage.INITRD


class MarkedBad(NamedTuple):
    """An entry that was good and then marked bad.

    Attributes:
        root_hash: of the slot that kept failing.
        entry: file name it had on the ESP.
        boot_id: the boot that marked it bad.
    """

    root_hash: str
    entry: str
    boot_id: str


class BootLog(NamedTuple):
    """All that is remembered, oldest first."""

    boots: tuple[Boot, ...] = ()
    marked_bad: tuple[MarkedBad, ...] = ()

    def begun(self, root_hash: str, boot_id: str) -> BootLog:
        """The log with one more boot; the same boot is not added twice."""
        if any(boot.boot_id == boot_id for boot in self.boots):
            return self
        boots = (*self.boots, Boot(root_hash, boot_id))
        return self._replace(boots=boots[-KEPT_BOOTS:])

    def reached(self, boot_id: str, stage: Stage) -> BootLog:
        """The log after a boot came to ``stage``; it never goes back.

        An unknown ``boot_id`` changes nothing: that boot could not be written.
        """
        boots = tuple(
            boot._replace(stage=stage)
            if boot.boot_id == boot_id and _ORDER[boot.stage] < _ORDER[stage]
            else boot
            for boot in self.boots
        )
        return self._replace(boots=boots)

    def with_marked_bad(self, entry: str, root_hash: str, boot_id: str) -> BootLog:
        """The log after ``entry`` was marked bad in this boot."""
        marked_bad = (*self.marked_bad, MarkedBad(root_hash, entry, boot_id))
        return self._replace(marked_bad=marked_bad[-KEPT_MARKED_BAD:])

    def with_noted(self, note: Note) -> BootLog:
        """The log in which the boots of ``note`` were stable."""
        log = self
        for boot_id in note.boot_ids:
            log = log.reached(boot_id, Stage.STABLE)
        return log

    def unstable_in_a_row(self, root_hash: str, *, except_boot_id: str = "") -> int:
        """How many of the last boots were of this root and never became stable.

        Args:
            root_hash: the root in question.
            except_boot_id: the boot that is going on, which has not failed.
        """
        row = 0
        for boot in reversed(self.boots):
            if boot.boot_id == except_boot_id:
                continue
            if boot.root_hash != root_hash or boot.stage is Stage.STABLE:
                break
            row += 1
        return row

    def stage_of(self, boot_id: str) -> Stage | None:
        """How far a boot came, or ``None`` if it was never written."""
        found = [boot.stage for boot in self.boots if boot.boot_id == boot_id]
        return found[-1] if found else None


class Note(NamedTuple):
    """Boots that were stable though the log could not be written, oldest first.

    The running system leaves it on the ESP, one sector, when the state cannot
    be written; the initrd reads it before it marks an entry bad.
    """

    boot_ids: tuple[str, ...] = ()

    def with_boot(self, boot_id: str) -> Note:
        """The note with one more boot, without the oldest if there are too many."""
        others = tuple(one for one in self.boot_ids if one != boot_id)
        return Note((*others, boot_id)[-KEPT_NOTED:])


def encode_note(note: Note) -> bytes:
    """The note as 512 bytes; the inverse of :func:`parse_note`."""
    lines = "".join(f"{boot_id}\n" for boot_id in note.boot_ids)
    return lines.encode("ascii").ljust(NOTE_SIZE, b"\n")


def parse_note(content: bytes | None) -> Note:
    """What a note says; lines that are no boot ids are passed over."""
    lines = (content or b"")[:NOTE_SIZE].decode("ascii", errors="replace").split("\n")
    return Note(tuple(line for line in lines if _BOOT_ID.fullmatch(line))[-KEPT_NOTED:])


def encode(log: BootLog) -> str:
    """The log as one line of JSON, filled with spaces; the inverse of ``parse``."""
    document = {
        "format": _FORMAT,
        "starts": [boot._asdict() for boot in log.boots],
        "unblessed": [entry._asdict() for entry in log.marked_bad],
    }
    return json.dumps(document, separators=(",", ":")).ljust(SIZE - 1) + "\n"


def parse(text: str) -> BootLog:
    """Read a log; too many records are cut to the newest.

    Raises:
        InvalidInput: not a log. Callers begin a new one.
    """
    if len(text) > MAX_TEXT:
        raise InvalidInput(f"a boot log of {len(text)} characters")
    try:
        document = json.loads(text)
        if document["format"] != _FORMAT:
            raise InvalidInput(f"unknown boot log format {document['format']!r:.40}")
        boots = tuple(
            Boot(_text(one["root_hash"]), _text(one["boot_id"]), Stage(one["stage"]))
            for one in document["starts"]
        )
        marked_bad = tuple(
            MarkedBad(_text(one["root_hash"]), _text(one["entry"]), _text(one["boot_id"]))
            for one in document["unblessed"]
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput(f"not a boot log: {error}") from error
    return BootLog(boots[-KEPT_BOOTS:], marked_bad[-KEPT_MARKED_BAD:])


def parse_or_new(text: str | None) -> BootLog:
    """The log, or an empty one if there is none or it is damaged."""
    if text is None:
        return BootLog()
    try:
        return parse(text)
    except InvalidInput:
        return BootLog()


def _text(value: object) -> str:
    # A log of ours has no longer ones, and must stay within its size.
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isascii():
        raise TypeError(f"expected a short text, found {value!r:.40}")
    return value
