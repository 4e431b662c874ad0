"""Add a release to a repository, all at once or not at all.

Order: the signed payloads, then targets and snapshot metadata under names no
client knows, then the timestamp, whose replacement is the publication. A
publication that is killed before leaves files that no client is told about;
the next one sweeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from tuf.api.metadata import Snapshot, TargetFile, Targets, Timestamp

from hostio.system.clock import Clock
from mirror.release.builtrelease import BuiltPayload, BuiltRelease, digest_of
from mirror.repository.clockcheck import check_clock
from mirror.repository.lock import locked
from mirror.repository.publicfiles import make_directory, move_into_place
from mirror.repository.rolefiles import announce, load, signed_by_role, signers_of, write
from mirror.signing.keys import PrivateKey, SigningKey
from osmodel.faults import HostFailure, InvalidInput
from osmodel.release import Release, release_to_json
from osmodel.repository import (
    RELEASE,
    TARGETS,
    UNSIGNED,
    custom_fields,
    stored_path,
    target_path,
)

SignRelease = Callable[[BuiltPayload, Path, Sequence[PrivateKey]], None]


@dataclass(frozen=True, slots=True)
class PublishedPayload:
    """A payload that hosts can fetch.

    Attributes:
        source: root hash of the release it changes; ``None`` if it is full.
        size: bytes, signatures included.
        sha256: its digest, 64 hex digits.
    """

    source: str | None
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Published:
    """What a publication did.

    Attributes:
        release: the release that hosts are offered.
        payloads: what it can be installed from, the full payload first.
        changed: false when exactly this release was there already.
    """

    release: Release
    payloads: tuple[PublishedPayload, ...]
    changed: bool

    @property
    def full(self) -> PublishedPayload:
        """The payload that every machine can install."""
        return self.payloads[0]


def publish(
    repository: Path,
    built: BuiltRelease,
    keys: Sequence[SigningKey],
    clock: Clock,
    sign_release: SignRelease,
) -> Published:
    """Sign a release with ``keys`` and offer it.

    Args:
        repository: an existing repository.
        built: what to publish.
        keys: at least the threshold of targets keys, and the online keys.
        clock: gives the dates of the metadata.
        sign_release: writes a signed payload of a release.

    Raises:
        InvalidInput: too few keys, the version exists with other bytes, or the
            repository contradicts the clock.
        TransientFailure: another ``update-mirror`` is changing the repository.
        UntrustedData: the repository is damaged.
    """
    with locked(repository):
        now = load(repository)
        known = now.targets.signed.targets
        missing = [one for one in built.payloads if not _is_published(known, one)]
        if not missing:
            return Published(built.release, _published(known, built), changed=False)
        at = clock.now()
        check_clock(now, at)
        root = now.root.signed
        signers = [key.private for key in signers_of(root, Targets.type, keys)]
        for role in (Snapshot.type, Timestamp.type):
            # Refused before anything is written, not half way.
            signers_of(root, role, keys)
        targets = deepcopy(now.targets.signed)
        targets.version += 1
        _sweep(repository, built, known)
        for payload in missing:
            size, sha256 = _place(repository, payload, signers, sign_release)
            targets.targets[_path(payload)] = _target(payload, size, sha256)
        signed = signed_by_role(root, targets, keys, at, before=now.targets.signed)
        write(repository, signed)
        announce(repository, replace(now, targets=signed), keys, at)
    return Published(built.release, _published(targets.targets, built), changed=True)


def _path(payload: BuiltPayload) -> str:
    return target_path(payload.release, payload.source)


def _is_published(known: Mapping[str, TargetFile], payload: BuiltPayload) -> bool:
    """Whether exactly this payload is offered.

    Raises:
        InvalidInput: another one is, under the same version.
    """
    target = known.get(_path(payload))
    if target is None:
        return False
    custom = target.custom or {}
    same = custom.get(UNSIGNED) == payload.sha256
    if not same or custom.get(RELEASE) != release_to_json(payload.release):
        raise InvalidInput(
            f"{payload.release.image} {payload.release.version} is published with other bytes",
            hint="a version is never replaced; build a higher one",
        )
    return True


def _published(
    targets: Mapping[str, TargetFile], built: BuiltRelease
) -> tuple[PublishedPayload, ...]:
    found = [(payload.source, targets[_path(payload)]) for payload in built.payloads]
    return tuple(
        PublishedPayload(source, target.length, target.hashes.get("sha256", ""))
        for source, target in found
    )


def _place(
    repository: Path,
    payload: BuiltPayload,
    signers: Sequence[PrivateKey],
    sign_release: SignRelease,
) -> tuple[int, str]:
    """Sign a payload into the repository; returns its size and sha256."""
    top = repository / TARGETS
    temporary = (top / _path(payload)).with_name(".signing")
    make_directory(temporary.parent)
    sign_release(payload, temporary, signers)
    size, sha256 = digest_of(temporary)
    move_into_place(temporary, top / stored_path(_path(payload), sha256), top=repository)
    return size, sha256


def _sweep(repository: Path, built: BuiltRelease, known: Mapping[str, TargetFile]) -> None:
    """Remove what a killed publication of this version left; it was never offered."""
    directory = (repository / TARGETS / target_path(built.release)).parent
    offered = {
        repository / TARGETS / stored_path(path, digest)
        for path, target in known.items()
        for digest in target.hashes.values()
    }
    try:
        leftovers = [path for path in directory.iterdir() if path not in offered]
        for leftover in leftovers:
            leftover.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise HostFailure(f"{error.filename or directory}: {error.strerror}") from error


def _target(payload: BuiltPayload, size: int, sha256: str) -> TargetFile:
    custom = custom_fields(payload.release, payload.source, payload.sha256)
    fields = {"custom": cast("object", custom)}
    return TargetFile(size, {"sha256": sha256}, _path(payload), fields)
