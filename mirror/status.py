"""What a repository offers, who signs it and what expires next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp

from mirror.publishing import RELEASE, stored_name
from mirror.rolefiles import EXPIRES_AFTER, RoleSet, load
from osmodel.faults import InvalidInput
from osmodel.release import Release, release_from_json


@dataclass(frozen=True, slots=True)
class OfferedRelease:
    """One release hosts can take.

    Attributes:
        release: what it is.
        size: bytes of its signed payload.
        sha256: digest of it, 64 hex digits.
        present: whether its file lies in the repository with that size.
    """

    release: Release
    size: int
    sha256: str
    present: bool


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
    """Everything ``update-mirror status`` shows."""

    releases: tuple[OfferedRelease, ...]
    roles: tuple[RoleStatus, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What needs attention, one sentence each."""
        absent = [
            f"the payload of {offer.release.image} {offer.release.version} is missing"
            for offer in self.releases
            if not offer.present
        ]
        return (*(role.warning for role in self.roles if role.warning), *absent)


def status(repository: Path, now: datetime) -> Status:
    """Read and check a repository.

    Raises:
        InvalidInput: not a repository.
        UntrustedData: it is damaged.
    """
    current = load(repository)
    found = [
        _offered(repository, path, target)
        for path, target in current.targets.signed.targets.items()
    ]
    releases = sorted(
        (offer for offer in found if offer is not None),
        key=lambda offer: (offer.release.image, offer.release.architecture, offer.release.version),
    )
    return Status(tuple(releases), _roles(current, now))


def status_to_json(shown: Status) -> dict[str, object]:
    """The status for machines: plain values, times in ISO 8601, UTC."""
    return {
        "releases": [
            {
                **asdict(offer.release),
                "version": str(offer.release.version),
                "min_version": str(offer.release.min_version or "") or None,
                "size": offer.size,
                "sha256": offer.sha256,
                "present": offer.present,
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
        "warnings": list(shown.warnings),
    }


def _offered(repository: Path, path: str, target: TargetFile) -> OfferedRelease | None:
    fields = (target.custom or {}).get(RELEASE)
    if not isinstance(fields, Mapping):
        return None
    try:
        release = release_from_json(fields)
    except InvalidInput:
        return None  # hosts skip it as well
    file = repository / "targets" / stored_name(path, target.hashes.get("sha256", ""))
    present = file.is_file() and file.stat().st_size == target.length
    return OfferedRelease(release, target.length, target.hashes.get("sha256", ""), present)


def _roles(current: RoleSet, now: datetime) -> tuple[RoleStatus, ...]:
    held: tuple[Metadata[Root] | Metadata[Targets] | Metadata[Snapshot] | Metadata[Timestamp], ...]
    held = (current.root, current.targets, current.snapshot, current.timestamp)
    shown = []
    for metadata in held:
        name, expires = metadata.signed.type, metadata.signed.expires
        role = current.root.signed.roles[name]
        days = int(role.unrecognized_fields.get(EXPIRES_AFTER, 1))
        shown.append(
            RoleStatus(
                name,
                metadata.signed.version,
                expires,
                role.threshold,
                tuple(role.keyids),
                _warning(name, expires - now, timedelta(days=days)),
            )
        )
    return tuple(shown)


def _warning(role: str, left: timedelta, whole: timedelta) -> str:
    remedy = "run update-mirror refresh"
    if role in {"root", "targets"}:
        remedy += f" with the {role} keys"
    if left <= timedelta(0):
        return f"{role} has expired: hosts refuse this repository; {remedy}"
    if left < whole / 4:
        return f"{role} expires in {left.days} days and {left.seconds // 3600} hours; {remedy}"
    return ""
