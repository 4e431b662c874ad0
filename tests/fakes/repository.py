"""A small real repository in a directory, made with the mirror's own code.

    made = made_repository(tmp_path, signers=(2, 3))
    made.publish("1.0.1", b"payload")
    (offer,) = made.client().refresh()

Payloads may be any bytes: instead of signing, the fake signer copies them,
unless ``signing=sign_release`` of the mirror is given.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import Metadata, Root, Targets

from hostio.net.fetch import Fetcher
from hostio.net.locations import fetcher_for
from mirror.release.builtrelease import BuiltPayload, read
from mirror.repository.creation import DEFAULT_DAYS, Created, Policy, Quorum, create
from mirror.repository.publication import Published, SignRelease, publish
from mirror.repository.refresh import refresh
from mirror.repository.rolefiles import RoleSet, announce, load, newest_root, signed_by_role, write
from mirror.signing.keys import PrivateKey, SigningKey, load_key, make_key
from osmodel.faults import UntrustedData
from osmodel.release import Release
from osmodel.releasemanifest import FILE_NAME, FULL_PAYLOAD, ReleaseFile, ReleaseManifest
from osmodel.repository import Offer
from osmodel.version import Version
from tests.fakes.clock import StoppedClock
from update_engine.repository.client import Repository

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def copied(of: BuiltPayload, target: Path, keys: Sequence[PrivateKey]) -> None:
    """Stands in for the payload signer."""
    del keys
    shutil.copyfile(of.path, target)


def release(version: str, *, image: str = "minimal", root_hash: str = "ab" * 32) -> Release:
    return Release(image, "x86_64", "uefi", Version.parse(version), root_hash)


def built(
    directory: Path, of: Release, payload: bytes, deltas: Mapping[str, bytes] | None = None
) -> Path:
    """A directory as ``build-image`` leaves it, as far as publishing looks.

    ``deltas`` are further payloads, by the root hash they start from.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / FULL_PAYLOAD).write_bytes(payload)
    entries = {FULL_PAYLOAD: ReleaseFile(len(payload), hashlib.sha256(payload).hexdigest())}
    for source, content in (deltas or {}).items():
        name = f"from-{source[:8]}.payload"
        (directory / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        entries[name] = ReleaseFile(len(content), digest, source)
    (directory / FILE_NAME).write_bytes(ReleaseManifest(of, entries).encode())
    return directory


@dataclass
class MadeRepository:
    """A repository, its keys, and the clock they all go by."""

    directory: Path
    created: Created
    clock: StoppedClock
    signing: SignRelease = copied
    builds: int = field(default=0, init=False)

    @property
    def root_json(self) -> bytes:
        """The first root, as an image carries it."""
        return self.created.trust_root.read_bytes()

    @property
    def cache(self) -> Path:
        """What the usual host remembers."""
        return self.directory.parent / f"{self.directory.name}.cache"

    @property
    def remembered(self) -> dict[str, bytes]:
        """Every byte of it."""
        return {path.name: path.read_bytes() for path in sorted(self.cache.iterdir())}

    def metadata(self, name: str) -> Path:
        """One metadata file."""
        return self.directory / "metadata" / name

    @property
    def now(self) -> RoleSet:
        """All roles, as ``update-mirror`` reads them."""
        return load(self.directory)

    @property
    def root(self) -> Metadata[Root]:
        """The newest root."""
        return newest_root(self.directory)

    def keys(self, role: str, count: int | None = None) -> list[SigningKey]:
        """The first ``count`` keys of a role, or all."""
        uris = self.created.keys[role][:count]
        return [load_key(uri, repository=self.directory) for uri in uris]

    def publish(
        self,
        version: str | Release,
        payload: bytes = b"payload",
        *,
        signers: int | None = None,
        deltas: Mapping[str, bytes] | None = None,
    ) -> Published:
        """Publish a release with the first ``signers`` release keys."""
        of = release(version) if isinstance(version, str) else version
        self.builds += 1
        directory = built(self.directory.parent / f"built-{self.builds}", of, payload, deltas)
        keys = [*self.keys("targets", signers), *self.keys("timestamp")]
        return publish(self.directory, read(directory), keys, self.clock, self.signing)

    def refresh(self, *, clock_is_right: bool = False) -> None:
        """Re-sign the online roles."""
        keys = self.keys("timestamp")
        refresh(self.directory, keys, self.clock, clock_is_right=clock_is_right)

    def edit_targets(self, change: Callable[[Targets], object]) -> None:
        """Publish targets metadata that was changed by hand, properly signed."""
        now = self.now
        targets = now.targets.signed
        targets.version += 1
        change(targets)
        signed = signed_by_role(now.root.signed, targets, self.keys("targets"), self.clock.now())
        write(self.directory, signed)
        online = self.keys("timestamp")
        announce(
            self.directory,
            RoleSet(now.root, now.timestamp, now.snapshot, signed),
            online,
            self.clock.now(),
        )

    def rotate_root(
        self, change: Callable[[Root], object], *, extra: Sequence[SigningKey] = ()
    ) -> bytes:
        """Write the next root, changed, signed by the root keys and ``extra``."""
        root = self.root.signed
        root.version += 1
        change(root)
        root.expires = self.clock.now() + timedelta(days=365)
        metadata = Metadata(root)
        for key in (*self.keys("root"), *extra):
            metadata.sign(key.signer, append=True)
        write(self.directory, metadata)
        return metadata.to_bytes()

    def new_key(self, name: str) -> SigningKey:
        """A key that no root names yet."""
        return make_key(self.directory.parent / f"{name}.pem")

    def client(
        self,
        cache: Path | None = None,
        *,
        root_json: bytes | None = None,
        fetcher: Fetcher | None = None,
        url: str | None = None,
        **options: Any,
    ) -> Repository:
        """The repository as a host sees it; one and the same host unless told."""
        location = url or str(self.directory)
        return Repository(
            location,
            root_json or self.root_json,
            cache or self.cache,
            fetcher or fetcher_for(location, self.clock),
            self.clock,
            **options,
        )


def made_repository(
    parent: Path,
    *,
    signers: tuple[int, int] = (2, 3),
    clock: StoppedClock | None = None,
    signing: SignRelease = copied,
    name: str = "mirror",
) -> MadeRepository:
    """An empty repository below ``parent``, with throw-away keys beside it.

    ``signers`` is how many of how many must agree, for root and targets.
    """
    used = clock or StoppedClock(NOW)
    quorum = Quorum(*signers)
    directory = parent / name
    created = create(
        directory, parent / f"{name}.keys", Policy(quorum, quorum, DEFAULT_DAYS), used.now()
    )
    return MadeRepository(directory, created, used, signing)


def files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def versions(offers: Iterable[Offer]) -> list[str]:
    """The versions on offer, sorted."""
    return [str(version) for version in sorted(offer.release.version for offer in offers)]


def refuses(
    made: MadeRepository,
    host: Repository,
    match: str | None = None,
    *,
    keeps: Sequence[str] = (),
) -> None:
    """The refresh is refused and leaves every remembered byte as it was.

    But for the roles that were verified before: ``keeps`` names them, in their order.
    """
    expected = made.remembered
    with pytest.raises(UntrustedData, match=match):
        host.refresh()
    if "timestamp" in keeps:
        expected["timestamp.json"] = made.metadata("timestamp.json").read_bytes()
    if "snapshot" in keeps:
        timestamp = json.loads(expected["timestamp.json"])
        version = timestamp["signed"]["meta"]["snapshot.json"]["version"]
        expected["snapshot.json"] = made.metadata(f"{version}.snapshot.json").read_bytes()
    assert made.remembered == expected
