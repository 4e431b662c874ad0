"""What a repository offers, who signs it and what expires next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from mirror.repository.clockcheck import contradiction, signed_at
from mirror.repository.rolefiles import RoleSet, granted, load, targets_of
from osmodel.release import Release, release_to_json
from osmodel.repository import TARGETS, Offer, OfferedPayload, offers


@dataclass(frozen=True, slots=True)
class StoredPayload:
    """One payload of a release.

    Attributes:
        source: root hash of the release it changes; ``None`` if it is full.
        size: bytes, signatures included.
        digest: as hex digits; SHA-256, or SHA-512 where there is no other.
        present: whether its file lies in the repository with that size.
    """

    source: str | None
    size: int
    digest: str
    present: bool


@dataclass(frozen=True, slots=True)
class OfferedRelease:
    """One release hosts can take.

    Attributes:
        release: what it is.
        payloads: what it can be installed from, the full payload first.
    """

    release: Release
    payloads: tuple[StoredPayload, ...]

    @property
    def full(self) -> StoredPayload:
        """The payload that every machine can install, where there is one."""
        return self.payloads[0]


@dataclass(frozen=True, slots=True)
class RoleStatus:
    """One role of the repository.

    Attributes:
        role: root, targets, snapshot or timestamp.
        version: version of its metadata.
        expires: when hosts stop accepting it.
        threshold: how many of its keys must sign.
        keys: ids of its keys.
        warning: what needs attention, or nothing.
    """

    role: str
    version: int
    expires: datetime
    threshold: int
    keys: tuple[str, ...]
    warning: str


@dataclass(frozen=True, slots=True)
class Status:
    """Everything ``update-mirror status`` shows.

    Attributes:
        releases: what hosts can take.
        roles: all four.
        signed: when the timestamp was signed, by its own words.
        clock_warning: what in the repository contradicts the clock, or nothing.
    """

    releases: tuple[OfferedRelease, ...]
    roles: tuple[RoleStatus, ...]
    signed: datetime
    clock_warning: str = ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What needs attention, one sentence each."""
        absent = [
            f"{_named(payload)} of {offer.release.image} {offer.release.version} is missing"
            for offer in self.releases
            for payload in offer.payloads
            if not payload.present
        ]
        found = (self.clock_warning, *(role.warning for role in self.roles), *absent)
        return tuple(warning for warning in found if warning)


def status(repository: Path, now: datetime) -> Status:
    """Read and check a repository.

    Raises:
        InvalidInput: not a repository.
        UntrustedData: it is damaged.
    """
    current = load(repository)
    # What is malformed is left out here as hosts leave it out.
    found, _ = offers(targets_of(current.targets.signed))
    releases = sorted(
        (_offered(repository, offer) for offer in found),
        key=lambda offer: (offer.release.image, offer.release.architecture, offer.release.version),
    )
    against = contradiction(current, now)
    return Status(
        tuple(releases),
        _roles(current, now),
        signed_at(current),
        f"{against.text}; {against.remedy}" if against is not None else "",
    )


def status_to_json(shown: Status) -> dict[str, object]:
    """The status for machines: plain values, times in ISO 8601, UTC."""
    return {
        "releases": [
            {
                "min_version": None,
                **release_to_json(offer.release),
                "size": offer.full.size,
                "sha256": offer.full.digest,
                "present": all(payload.present for payload in offer.payloads),
                "payloads": [asdict(payload) for payload in offer.payloads],
            }
            for offer in shown.releases
        ],
        "roles": {
            role.role: {
                "version": role.version,
                "expires": role.expires.isoformat(),
                "threshold": role.threshold,
                "keys": list(role.keys),
            }
            for role in shown.roles
        },
        "signed": shown.signed.isoformat(),
        "warnings": list(shown.warnings),
    }


def _offered(repository: Path, offer: Offer) -> OfferedRelease:
    payloads = sorted(offer.payloads, key=lambda payload: payload.source or "")
    return OfferedRelease(offer.release, tuple(_stored(repository, one) for one in payloads))


def _stored(repository: Path, payload: OfferedPayload) -> StoredPayload:
    file = repository / TARGETS / payload.stored_path
    present = file.is_file() and file.stat().st_size == payload.length
    digest = next(iter(payload.hashes.values()))
    return StoredPayload(payload.source, payload.length, digest, present)


def _named(payload: StoredPayload) -> str:
    return "the payload" if payload.source is None else f"the delta from {payload.source[:16]}"


def _roles(current: RoleSet, now: datetime) -> tuple[RoleStatus, ...]:
    held: tuple[Metadata[Root] | Metadata[Targets] | Metadata[Snapshot] | Metadata[Timestamp], ...]
    held = (current.root, current.targets, current.snapshot, current.timestamp)
    shown = []
    for metadata in held:
        name, expires = metadata.signed.type, metadata.signed.expires
        role = current.root.signed.roles[name]
        validity = granted(current.root.signed, name)
        shown.append(
            RoleStatus(
                name,
                metadata.signed.version,
                expires,
                role.threshold,
                tuple(role.keyids),
                _warning(name, expires - now, validity),
            )
        )
    return tuple(shown)


def _warning(role: str, left: timedelta, whole: timedelta) -> str:
    remedy = "run update-mirror refresh"
    if role in {"root", "targets"}:
        remedy += f" with the {role} keys"
    if left <= timedelta(0) and role == Timestamp.type:
        return ""  # the clock's warning says so, and what to do
    if left <= timedelta(0):
        return f"{role} has expired: hosts refuse this repository; {remedy}"
    if left > whole + timedelta(days=1):
        return f"{role} is valid for more than {whole.days} days: once a clock was ahead"
    if left < whole / 4:
        return f"{role} expires in {left.days} days and {left.seconds // 3600} hours; {remedy}"
    return ""
