"""Who waits for a place, and what they wait for.

Each host that waits has a key of its own; their create revisions are the order
of the queue. The entries are advice: they say when a host looks again, never
that it may reboot. A dead host in the queue therefore costs time, not places.

They serve a second purpose: a transaction that takes a place is bound to the
host's own entry. Who gives up removes the entry, and a request that was under
way for minutes can do nothing any more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from locksmith.core.jsonvalues import load, seconds, text
from osmodel.faults import UntrustedData

_LARGEST = 1 << 16  # bytes


@dataclass(frozen=True, slots=True)
class Waiter:
    """One entry.

    Attributes:
        machine: its id.
        since: seconds since 1970 by its own clock; 0 if not known.
        host: name of the machine.
        boot_id: of the boot in which it began to wait.
        to_version: that it wants to boot; empty for a plain reboot.
    """

    machine: str
    since: int = 0
    host: str = ""
    boot_id: str = ""
    to_version: str = ""


def encode(waiter: Waiter) -> bytes:
    """The value of the entry's key."""
    fields = {
        "since": waiter.since,
        "host": waiter.host,
        "boot_id": waiter.boot_id,
        "to": waiter.to_version,
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def parse(machine: str, value: bytes) -> Waiter:
    """Read an entry; a damaged one is an entry of which nothing is known."""
    try:
        fields = load(value, "an entry of the queue", _LARGEST)
    except UntrustedData:
        return Waiter(machine)
    host, boot_id, to_version = (text(fields.get(name)) for name in ("host", "boot_id", "to"))
    return Waiter(machine, seconds(fields.get("since")), host, boot_id, to_version)
