"""The reboot semaphore: who may be down at the same time, and its JSON of 2014.

Programs of 2014 read and write ``semaphore``, ``max`` and ``holders`` alone. What
we know beyond that lies in ``details``, which they pass over; a value they wrote
has none, and is honoured all the same. Fields that nobody here knows are kept.

The count of free places is theirs, and is changed exactly as they change it, so
that both kinds of program can share one value. It is believed only where it
says less than the holders do: a value that contradicts itself gives no place.

Source: locksmith ``lock/semaphore.go``; docs/formats/locksmith.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from locksmith.core.jsonvalues import integer, load, table, text
from osmodel.faults import UntrustedData

LARGEST = 1 << 20  # bytes of the value; a thousand holders with details take a quarter of it
_OWN = ("semaphore", "max", "holders", "details")


@dataclass(frozen=True, slots=True)
class Holder:
    """What is known of a place that is held; all of it may be missing.

    Attributes:
        since: seconds since 1970 at which it was taken; 0 if not known.
        host: name of the machine.
        boot_id: the boot in which it was taken.
        from_version: that ran then.
        to_version: that is to run after the reboot; empty for a plain reboot.
        by: what took it: ``locksmithd``, ``locksmithctl`` or ``fleetlock``.
        failed: why the machine came back without ``to_version``; empty if it did not.
        others: fields that are not ours.
    """

    since: int = 0
    host: str = ""
    boot_id: str = ""
    from_version: str = ""
    to_version: str = ""
    by: str = ""
    failed: str = ""
    others: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a place is not given or given back; a result, not a fault.

    Attributes:
        text: in the words of 2014.
        known: what else there is to say about it, or empty.
    """

    text: str
    known: str = ""


@dataclass(frozen=True, slots=True)
class Semaphore:
    """The value of the key.

    Attributes:
        free: places left by the count of 2014; negative after ``max`` was lowered.
        limit: places in total.
        holders: machine ids, sorted.
        details: of holders, by id.
        others: fields that are not ours.
    """

    free: int = 1
    limit: int = 1
    holders: tuple[str, ...] = ()
    details: Mapping[str, Holder] = field(default_factory=dict)
    others: Mapping[str, object] = field(default_factory=dict)

    @property
    def available(self) -> int:
        """Places that can be given, never below 0."""
        return max(min(self.free, self.limit - len(self.holders)), 0)

    def holder(self, machine: str) -> Holder | None:
        """What is known of the place of ``machine``; ``None`` if it holds none."""
        return self.details.get(machine, Holder()) if machine in self.holders else None

    def heading_for(self, version: str) -> tuple[str, ...]:
        """Machines that hold a place to boot ``version`` and have not failed at it."""
        return tuple(
            machine
            for machine, holder in self.details.items()
            if machine in self.holders and holder.to_version == version and not holder.failed
        )

    def lock(self, machine: str, holder: Holder, ours: frozenset[str]) -> Semaphore | Refusal:
        """The semaphore with ``machine`` in it.

        A place that the machine holds already stays its own, so whoever crashed
        between taking it and rebooting can simply ask again.

        Args:
            machine: its id.
            holder: what to note.
            ours: boot ids of this very machine. A holder of the same id whose
                boot id is not among them is another machine with the same id:
                two of them must not share one place.
        """
        held = self.holder(machine)
        if held is None:
            if self.available <= 0:
                # A count that contradicts the holders is shown as what follows from it.
                return Refusal(f"semaphore is at {min(self.free, self.available)}")
            holders = tuple(sorted({*self.holders, machine}))
            return self._with(replace(self, free=self.free - 1, holders=holders), machine, holder)
        if held.boot_id and held.boot_id not in ours:
            known = f"{machine} is held by {held.host or 'a machine'} since another boot"
            return Refusal("holder exists", known)
        return self._with(self, machine, replace(holder, since=held.since or holder.since))

    def unlock(self, machine: str) -> Semaphore | Refusal:
        """The semaphore without ``machine``."""
        if machine not in self.holders:
            return Refusal("holder does not exist")
        return replace(
            self,
            free=self.free + 1,
            holders=tuple(one for one in self.holders if one != machine),
            details={one: known for one, known in self.details.items() if one != machine},
        )

    def set_max(self, limit: int) -> Semaphore:
        """The semaphore with ``limit`` places; holders stay, the count may go below 0."""
        return replace(self, free=self.free - (self.limit - limit), limit=limit)

    def with_failure(self, machine: str, reason: str) -> Semaphore:
        """The semaphore with a note that ``machine`` came back with the old version."""
        held = self.holder(machine)
        return self if held is None else self._with(self, machine, replace(held, failed=reason))

    @staticmethod
    def _with(semaphore: Semaphore, machine: str, holder: Holder) -> Semaphore:
        return replace(semaphore, details={**semaphore.details, machine: holder})


def encode(semaphore: Semaphore) -> bytes:
    """The value of the key; programs of 2014 read it."""
    document: dict[str, object] = {
        "semaphore": semaphore.free,
        "max": semaphore.limit,
        # As Go writes an empty slice that was never filled.
        "holders": list(semaphore.holders) or None,
    }
    details = {
        machine: _encode_holder(semaphore.details[machine])
        for machine in semaphore.holders
        if machine in semaphore.details
    }
    if details:
        document["details"] = details
    return json.dumps({**document, **semaphore.others}, separators=(",", ":")).encode()


def _encode_holder(holder: Holder) -> dict[str, object]:
    known: dict[str, object] = {
        "since": holder.since,
        "host": holder.host,
        "boot_id": holder.boot_id,
        "from": holder.from_version,
        "to": holder.to_version,
        "by": holder.by,
        "failed": holder.failed,
    }
    return {**{name: value for name, value in known.items() if value}, **holder.others}


def parse(value: bytes) -> Semaphore:
    """Read the value of the key.

    Raises:
        UntrustedData: not a semaphore; nobody takes or gives back a place then.
    """
    document = load(value, "the semaphore", LARGEST)
    holders = document.get("holders")
    if holders is None:
        holders = []
    if not isinstance(holders, list) or not all(isinstance(one, str) and one for one in holders):
        raise UntrustedData("the semaphore: holders is not a list of machine ids")
    if len(set(holders)) != len(holders):
        raise UntrustedData("the semaphore: a machine is listed twice among its holders")
    known = document.get("details")
    # Details only explain; damaged ones must not keep a place from being given back.
    details = table(known) if isinstance(known, dict) else {}
    return Semaphore(
        # A missing number is 0 in Go.
        free=integer(document.get("semaphore", 0), "the semaphore: semaphore"),
        limit=integer(document.get("max", 0), "the semaphore: max"),
        holders=tuple(sorted(holders)),
        details={one: _parse_holder(details[one]) for one in holders if one in details},
        others={name: value for name, value in document.items() if name not in _OWN},
    )


_HOLDER_FIELDS = ("since", "host", "boot_id", "from", "to", "by", "failed")


def _parse_holder(value: object) -> Holder:
    fields = table(value)
    since = fields.get("since")
    host, boot_id, from_version, to_version, by, failed = (
        text(fields.get(name)) for name in _HOLDER_FIELDS[1:]
    )
    return Holder(
        since=since if type(since) is int and since > 0 else 0,
        host=host,
        boot_id=boot_id,
        from_version=from_version,
        to_version=to_version,
        by=by,
        failed=failed,
        others={name: value for name, value in fields.items() if name not in _HOLDER_FIELDS},
    )
