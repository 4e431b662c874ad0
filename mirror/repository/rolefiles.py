"""The metadata files of a repository: names, reading, signing, writing.

Versions are part of the names (TUF "consistent snapshots"), so a file that a
client may have seen is never changed. Only ``timestamp.json`` is replaced, and
it is replaced last: until then the files of a publication are there but no
client is told about them, and the repository is as valid as before.

Source: TUF specification 1.0.33, sections 4 and 6.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from mirror.repository.publicfiles import write_file
from mirror.signing.keys import SigningKey
from osmodel.faults import HostFailure, InvalidInput, UntrustedData
from osmodel.repository import (
    ISSUED,
    METADATA,
    Target,
    issued_text,
    metadata_name,
    validity_of,
)

_MOST_ROOTS = 1024

SomeRole = TypeVar("SomeRole", Root, Timestamp, Snapshot, Targets)


@dataclass(frozen=True, slots=True)
class RoleSet:
    """What the repository says at this moment, signatures checked."""

    root: Metadata[Root]
    timestamp: Metadata[Timestamp]
    snapshot: Metadata[Snapshot]
    targets: Metadata[Targets]


def directory(repository: Path) -> Path:
    """Where the metadata lies."""
    return repository / METADATA


def role_file(repository: Path, role: str, version: int) -> Path:
    """The file of one version of a role; the timestamp has one name for all."""
    return directory(repository) / metadata_name(role, version)


def load(repository: Path) -> RoleSet:
    """Read what clients are told, from the newest root to the targets.

    Raises:
        InvalidInput: not a repository.
        UntrustedData: a file is damaged or not signed by enough keys.
    """
    root = newest_root(repository)
    timestamp = _read(repository, Timestamp, 0)
    snapshot = _read(repository, Snapshot, timestamp.signed.snapshot_meta.version)
    listed = snapshot.signed.meta.get("targets.json")
    if listed is None:
        path = role_file(repository, Snapshot.type, snapshot.signed.version)
        raise UntrustedData(f"{path}: lists no targets.json")
    targets = _read(repository, Targets, listed.version)
    for metadata in (timestamp, snapshot, targets):
        _verify(repository, root.signed, metadata)
    return RoleSet(root, timestamp, snapshot, targets)


def _verify(repository: Path, root: Root, metadata: Metadata[Any]) -> None:
    """Whether enough keys of its role signed ``metadata``.

    Raises:
        UntrustedData: they did not.
    """
    role = metadata.signed.type
    try:
        found = root.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError) as error:
        path = role_file(repository, role, metadata.signed.version)
        raise UntrustedData(f"{path}: damaged metadata") from error
    if not found:
        raise UntrustedData(
            f"{role_file(repository, role, metadata.signed.version)}:"
            f" signed by {len(found.signed)} of {found.threshold} keys"
        )


def targets_of(role: Targets) -> Iterator[Target]:
    """The files that a targets role lists, in its order."""
    for path, target in role.targets.items():
        yield Target(path, target.length, target.hashes, target.custom)


def granted(root: Root, role: str) -> timedelta:
    """How long metadata of ``role`` is valid, by the rules of ``root``.

    Raises:
        UntrustedData: they do not say it readably.
    """
    try:
        return validity_of(root.roles[role].unrecognized_fields)
    except InvalidInput as fault:
        raise UntrustedData(f"root: role {role}: {fault}") from fault


def signers_of(root: Root, role: str, keys: Sequence[SigningKey]) -> list[SigningKey]:
    """Those of ``keys`` that may sign for ``role``, each once.

    Raises:
        InvalidInput: fewer than the role's threshold of different keys.
    """
    rule = root.roles[role]
    known = {key.keyid: key for key in keys if key.keyid in rule.keyids}
    missing = rule.threshold - len(known)
    if missing > 0:
        raise InvalidInput(
            f"role {role} needs {rule.threshold} of {len(rule.keyids)} keys,"
            f" {len(known)} given: {missing} missing",
            hint="name each with --key file:PATH",
        )
    return list(known.values())


def signed_by_role(
    root: Root,
    content: SomeRole,
    keys: Sequence[SigningKey],
    now: datetime,
    *,
    before: SomeRole | None = None,
) -> Metadata[SomeRole]:
    """Sign ``content`` with those of ``keys`` that its role knows.

    The expiry is set from ``now`` and the number of days the root grants. It
    is never earlier than that of ``before``: hosts that saw something signed
    under a clock ahead of the time accept nothing that expires sooner.

    Args:
        root: the rules.
        content: what to sign; its expiry is replaced.
        keys: whatever keys there are.
        now: when it is signed.
        before: the version of the role that this one follows.

    Raises:
        InvalidInput: fewer than the role's threshold of different keys.
        UntrustedData: the root grants no readable number of days.
    """
    signers = signers_of(root, content.type, keys)
    expires = now.replace(microsecond=0) + granted(root, content.type)
    content.expires = max(expires, before.expires) if before else expires
    if content.type == Timestamp.type:
        # A host never trusts its clock to be earlier than this.
        content.unrecognized_fields[ISSUED] = issued_text(now)
    metadata = Metadata(content)
    for key in signers:
        metadata.sign(key.signer, append=True)
    return metadata


def write(repository: Path, metadata: Metadata[SomeRole]) -> None:
    """Put a signed role in its place; durable on return."""
    content = metadata.signed
    write_file(role_file(repository, content.type, content.version), metadata.to_bytes())


def announce(repository: Path, now: RoleSet, keys: Sequence[SigningKey], at: datetime) -> None:
    """Write a further snapshot and timestamp over ``now.targets``.

    The timestamp is last: its replacement is the moment of publication.

    Raises:
        InvalidInput: the online keys are missing.
    """
    root = now.root.signed
    snapshot = Snapshot(
        version=now.snapshot.signed.version + 1, meta={"targets.json": meta_file(now.targets)}
    )
    signed_snapshot = signed_by_role(root, snapshot, keys, at, before=now.snapshot.signed)
    timestamp = Timestamp(
        version=now.timestamp.signed.version + 1, snapshot_meta=meta_file(signed_snapshot)
    )
    signed_timestamp = signed_by_role(root, timestamp, keys, at, before=now.timestamp.signed)
    write(repository, signed_snapshot)
    write(repository, signed_timestamp)


def meta_file(metadata: Metadata[SomeRole]) -> MetaFile:
    """Version, length and hash of a role, as the role above it lists them."""
    return MetaFile.from_data(metadata.signed.version, metadata.to_bytes(), ["sha256"])


def newest_root(repository: Path) -> Metadata[Root]:
    """The end of the chain of roots, each vouched for by the one before.

    Raises:
        InvalidInput: not a repository.
        UntrustedData: the chain is broken.
    """
    root = _read(repository, Root, 1)
    _verify(repository, root.signed, root)
    for version in range(2, _MOST_ROOTS):
        following = _found(repository, Root, version)
        if following is None:
            break
        for judge in (root.signed, following.signed):
            _verify(repository, judge, following)
        root = following
    return root


def _read(repository: Path, kind: type[SomeRole], version: int) -> Metadata[SomeRole]:
    """A file that must be there; see :func:`_found`."""
    metadata = _found(repository, kind, version)
    if metadata is None:
        name = metadata_name(kind.type, version)
        raise InvalidInput(
            f"{repository} is not a whole repository: {name} is missing",
            hint="update-mirror init makes one",
        )
    return metadata


def _found(repository: Path, kind: type[SomeRole], version: int) -> Metadata[SomeRole] | None:
    """One version of a role, signatures not checked; nothing if there is no such file.

    Raises:
        UntrustedData: damaged, or of another role.
        HostFailure: it cannot be read.
    """
    path = role_file(repository, kind.type, version)
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}") from error
    try:
        metadata: Metadata[SomeRole] = Metadata.from_bytes(content)
    except RepositoryError as error:
        raise UntrustedData(f"{path}: damaged metadata") from error
    if not isinstance(metadata.signed, kind):
        raise UntrustedData(f"{path}: holds {metadata.signed.type} metadata")
    return metadata
