"""Add a release to a repository, all at once or not at all.

Order: the signed payload, then targets and snapshot metadata under names no
client knows, then the timestamp, whose replacement is the publication. A
publication that is killed before leaves files nobody is told about; the next
one sweeps them.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from tuf.api.metadata import Snapshot, TargetFile, Targets, Timestamp

from hostio.files.durable import sync_directory
from hostio.system.clock import Clock
from mirror.keys import PrivateKey, SigningKey
from mirror.releasedir import BuiltRelease, digest_of
from mirror.rolefiles import announce, load, signed_by_role, signers_of, write
from osmodel.faults import HostFailure, InvalidInput, TransientFailure
from osmodel.release import Release, release_to_json

RELEASE = "twinkeel"  # key in a target's custom metadata
_UNSIGNED = "x-unsigned-sha256"

SignRelease = Callable[[BuiltRelease, Path, Sequence[PrivateKey]], None]


@dataclass(frozen=True, slots=True)
class Published:
    """What a publication did.

    Attributes:
        release: the release that hosts are offered.
        size: bytes of its signed payload.
        sha256: its digest, 64 hex digits.
        changed: false when exactly this release was there already.
    """

    release: Release
    size: int
    sha256: str
    changed: bool


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
        sign_release: writes the signed payload of a release.

    Raises:
        InvalidInput: too few keys, or the version exists with other bytes.
        TransientFailure: somebody else is changing the repository.
        UntrustedData: the repository is damaged.
    """
    with alone(repository):
        now = load(repository)
        known = now.targets.signed.targets.get(built.release.target_path)
        if known is not None:
            return _again(known, built)
        root = now.root.signed
        signers = [key.private for key in signers_of(root, Targets.type, keys)]
        for role in (Snapshot.type, Timestamp.type):
            # Refused before anything is written, not half way.
            signers_of(root, role, keys)
        size, sha256 = _place(repository, built, signers, sign_release)
        targets = deepcopy(now.targets.signed)
        targets.version += 1
        targets.targets[built.release.target_path] = _target(built, size, sha256)
        signed = signed_by_role(root, targets, keys, clock.now())
        write(repository, signed)
        announce(repository, replace(now, targets=signed), keys, clock.now())
    return Published(built.release, size, sha256, changed=True)


@contextmanager
def alone(repository: Path) -> Iterator[None]:
    """Hold the repository against other writers.

    Raises:
        InvalidInput: no such directory.
        TransientFailure: it is held.
    """
    try:
        descriptor = os.open(repository, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidInput(f"{repository}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise TransientFailure(f"{repository} is being changed by another update-mirror") from error
    finally:
        os.close(descriptor)


def stored_name(target_path: str, sha256: str) -> str:
    """Where a target lies below ``targets/``: the digest is part of the name."""
    directory, _, name = target_path.rpartition("/")
    return f"{directory}/{sha256}.{name}"


def _again(known: TargetFile, built: BuiltRelease) -> Published:
    custom = known.custom or {}
    same = custom.get(_UNSIGNED) == built.sha256
    if not same or custom.get(RELEASE) != release_to_json(built.release):
        raise InvalidInput(
            f"{built.release.image} {built.release.version} is published with other bytes",
            hint="a version is never replaced; build a higher one",
        )
    return Published(built.release, known.length, known.hashes["sha256"], changed=False)


def _place(
    repository: Path,
    built: BuiltRelease,
    signers: Sequence[PrivateKey],
    sign_release: SignRelease,
) -> tuple[int, str]:
    """Sign the payload into the repository; returns its size and sha256."""
    path = repository / "targets" / built.release.target_path
    temporary = path.with_name(".signing")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        sign_release(built, temporary, signers)
        size, sha256 = digest_of(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(repository / "targets" / stored_name(built.release.target_path, sha256))
        for directory in (path.parent, *path.parent.relative_to(repository).parents):
            sync_directory(repository / directory)
    except OSError as error:
        raise HostFailure(f"{error.filename or path}: {error.strerror}") from error
    return size, sha256


def _sweep(directory: Path) -> None:
    """Remove what a killed publication of this version left; it was never offered."""
    for leftover in directory.iterdir():
        leftover.unlink()


def _target(built: BuiltRelease, size: int, sha256: str) -> TargetFile:
    custom = {RELEASE: release_to_json(built.release), _UNSIGNED: built.sha256}
    fields = {"custom": cast("object", custom)}
    return TargetFile(size, {"sha256": sha256}, built.release.target_path, fields)
