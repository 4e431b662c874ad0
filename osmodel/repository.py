"""What an update repository says beyond TUF: names of files and fields of ours.

The mirror writes it and every host reads it, so both take it from here. A
release is offered by one or more payloads: the full one installs it on any
machine, a delta only where the release it starts from is installed.

Source: TUF specification 1.0.33, section 6 (consistent snapshots);
docs/formats/repository.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from osmodel.faults import InvalidInput
from osmodel.release import Release, release_from_json, release_to_json

METADATA = "metadata"
TARGETS = "targets"
ROLES = ("root", "targets", "snapshot", "timestamp")

RELEASE = "twinkeel"  # custom field of a target: the release
SOURCE = "x-twinkeel-source"  # custom field of a target: root hash a delta starts from
UNSIGNED = "x-unsigned-sha256"  # custom field of a target: digest before signing
EXPIRES_AFTER = "x-twinkeel-expires-after-days"  # field of a role in the root
ISSUED = "x-twinkeel-issued"  # field of the timestamp: when it was signed

MOST_DAYS = 3650  # longest validity that a role may be given
_ISSUED_FORM = "%Y-%m-%dT%H:%M:%SZ"
_ROOT_HASH = re.compile(r"[0-9a-f]{64}")
# Algorithms a payload can be checked by, best known first, with their hex digits.
_DIGESTS = {"sha256": 64, "sha512": 128}


@dataclass(frozen=True, slots=True)
class Target:
    """A file as the targets role lists it; nothing in it is judged yet.

    Attributes:
        path: its name in the metadata.
        length: bytes.
        hashes: digests in hex, by algorithm.
        custom: whatever the signers added.
    """

    path: str
    length: int
    hashes: Mapping[str, str]
    custom: object


@dataclass(frozen=True, slots=True)
class OfferedPayload:
    """A payload that the repository's signers vouch for.

    Attributes:
        path: its name in the metadata, below ``targets/``.
        length: bytes.
        hashes: digests in hex, by algorithm; at least one of SHA-256 and SHA-512.
        source: root hash of the release it changes; ``None`` if it is full.
    """

    path: str
    length: int
    hashes: Mapping[str, str]
    source: str | None = None

    @property
    def stored_path(self) -> str:
        """Its name below ``targets/`` where snapshots are consistent."""
        return stored_path(self.path, next(iter(self.hashes.values())))


@dataclass(frozen=True, slots=True)
class Offer:
    """A release, and everything it can be installed from.

    Attributes:
        release: what a machine would become.
        payloads: at least one, in the order of the metadata.
    """

    release: Release
    payloads: tuple[OfferedPayload, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A target that claims to be a release and breaks a rule."""

    path: str
    reason: str


def metadata_name(role: str, version: int) -> str:
    """File name of one version of a role; the timestamp has one name for all."""
    return "timestamp.json" if role == "timestamp" else f"{version}.{role}.json"


def target_path(release: Release, source: str | None = None) -> str:
    """Name of a payload in the metadata.

    Args:
        release: what it installs.
        source: root hash it starts from, or ``None`` for the full payload.
    """
    name = "full.payload" if source is None else f"from-{source}.payload"
    where = f"{release.image}/{release.architecture}/{release.platform}/{release.version}"
    return f"{where}/{name}"


def stored_path(path: str, digest: str) -> str:
    """Where a target lies below ``targets/``: its digest is part of the name."""
    directory, slash, name = path.rpartition("/")
    return f"{directory}{slash}{digest}.{name}"


def custom_fields(release: Release, source: str | None, unsigned: str) -> dict[str, object]:
    """The custom fields of a payload's target.

    Args:
        release: what it installs.
        source: root hash it starts from, or ``None`` for the full payload.
        unsigned: SHA-256 of the payload before it was signed, in hex.
    """
    fields: dict[str, object] = {RELEASE: release_to_json(release), UNSIGNED: unsigned}
    return fields if source is None else {**fields, SOURCE: source}


def offers(targets: Iterable[Target]) -> tuple[tuple[Offer, ...], tuple[Skipped, ...]]:
    """The releases in a targets role, and what was passed over with its reason.

    Targets that do not claim to be releases are neither.
    """
    found: dict[Release, list[OfferedPayload]] = {}
    skipped = []
    for target in targets:
        try:
            claimed = _claim(target)
            if claimed is not None:
                release, payload = claimed
                found.setdefault(release, []).append(payload)
        except InvalidInput as fault:
            skipped.append(Skipped(target.path, str(fault)))
    return tuple(Offer(one, tuple(payloads)) for one, payloads in found.items()), tuple(skipped)


def issued_text(moment: datetime) -> str:
    """``moment`` (UTC) as the timestamp says when it was signed."""
    return moment.strftime(_ISSUED_FORM)


def parse_issued(value: object) -> datetime | None:
    """When a timestamp says it was signed, or ``None`` if it does not."""
    try:
        return datetime.strptime(str(value), _ISSUED_FORM).replace(tzinfo=UTC)
    except ValueError:
        return None


def validity_of(fields: Mapping[str, object]) -> timedelta:
    """How long a role's metadata stays valid, by the root's entry for that role.

    A root of another tool does not say, and gets a day.

    Raises:
        InvalidInput: not a number of days from 1 to 3650.
    """
    days = fields.get(EXPIRES_AFTER, 1)
    if type(days) is not int or not 1 <= days <= MOST_DAYS:
        raise InvalidInput(f"{EXPIRES_AFTER} {days!r:.40} is not 1 to {MOST_DAYS} days")
    return timedelta(days=days)


def _claim(target: Target) -> tuple[Release, OfferedPayload] | None:
    """What a target offers; nothing when it does not claim to be a release.

    Raises:
        InvalidInput: it claims to be one and breaks a rule.
    """
    custom = target.custom if isinstance(target.custom, Mapping) else {}
    fields = custom.get(RELEASE)
    if fields is None:
        return None
    if not isinstance(fields, Mapping):
        raise InvalidInput("release fields are not an object")
    release = release_from_json(fields)
    source = custom.get(SOURCE)
    if source is not None and not (isinstance(source, str) and _ROOT_HASH.fullmatch(source)):
        raise InvalidInput(f"source {source!r:.80} is not 64 hex digits")
    # The path follows from the release, so it cannot lead anywhere else.
    if target.path != target_path(release, source):
        raise InvalidInput(f"release {release.version} belongs at {target_path(release, source)}")
    hashes = {
        name: target.hashes[name]
        for name, digits in _DIGESTS.items()
        if re.fullmatch(f"[0-9a-f]{{{digits}}}", str(target.hashes.get(name, "")))
    }
    if type(target.length) is not int or target.length < 1:
        raise InvalidInput(f"length {target.length!r:.40} is no number of bytes")
    if not hashes:
        raise InvalidInput(f"no {' or '.join(_DIGESTS)}")
    return release, OfferedPayload(target.path, target.length, hashes, source)
