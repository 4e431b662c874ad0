"""The record of a host that came back without the version it went to boot."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from locksmith.core.jsonvalues import load, seconds, text
from osmodel.faults import UntrustedData

_LARGEST = 1 << 16  # bytes
_MOST_EXCERPT = 3000  # characters of the failed boot's journal: its end


@dataclass(frozen=True, slots=True)
class Failure:
    """What happened; one record per machine, the last one.

    Attributes:
        machine: its id.
        host: its name.
        at: seconds since 1970.
        version: that it went to boot.
        root_hash: of that version, or empty.
        runs: the version it came back with.
        reason: one sentence without full stop.
        excerpt: the end of the failed boot's journal, or empty.
    """

    machine: str
    host: str
    at: int
    version: str
    root_hash: str
    runs: str
    reason: str
    excerpt: str = ""


def encode(failure: Failure) -> bytes:
    """The value of the failure's key."""
    fields = asdict(failure)
    del fields["machine"]
    fields["excerpt"] = failure.excerpt[-_MOST_EXCERPT:]
    return json.dumps(fields, separators=(",", ":")).encode()


def parse(machine: str, value: bytes) -> Failure:
    """Read a record; a damaged one says that it is damaged."""
    try:
        fields = load(value, "a failure record", _LARGEST)
    except UntrustedData as fault:
        return Failure(machine, "", 0, "", "", "", str(fault))
    host, version, root_hash, runs, reason = (
        text(fields.get(name)) for name in ("host", "version", "root_hash", "runs", "reason")
    )
    found = fields.get("excerpt")
    # Line ends matter here; whatever else would move a terminal's cursor does not.
    lines = found[-_MOST_EXCERPT:].splitlines() if isinstance(found, str) else []
    excerpt = "\n".join(text(line) for line in lines)
    at = seconds(fields.get("at"))
    return Failure(machine, host, at, version, root_hash, runs, reason, excerpt)
