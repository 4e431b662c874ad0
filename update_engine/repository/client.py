"""The update repository as a host sees it: offers, trust, payload bytes.

Nothing is believed that the root of trust in the image does not lead to. A
refresh is accepted whole or leaves what is known untouched, byte for byte. A
payload is never longer than promised, and its last bytes are handed out only
when all of them have the promised hash.

Which repository it is, is decided by keys and not by its address: a mirror may
move, and its host still remembers what it has seen; another repository has
other keys, and nothing remembered verifies under them.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from tuf.api.metadata import TargetFile, Targets

from hostio.net.fetch import ByteStream, Fetcher, ResumingStream
from hostio.system.clock import Clock
from osmodel.faults import InvalidInput, TransientFailure, UntrustedData
from osmodel.release import Release, release_from_json
from update_engine.repository.keys import Trust, trust_in
from update_engine.repository.metadatacache import MetadataCache
from update_engine.repository.rootchain import TrustedRoot, trusted_root
from update_engine.repository.tufclient import Refreshed, TufClient

_log = logging.getLogger(__name__)

_RELEASE = "twinkeel"  # key in a target's custom metadata
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Offer:
    """A payload that the repository's signers vouch for.

    Attributes:
        release: what it installs.
        length: bytes of the payload.
        sha256: digest of the payload, 64 hex digits.
        path: where it lies below ``targets/``, as a mirror stores it.
    """

    release: Release
    length: int
    sha256: str
    path: str


class Repository:
    """A repository and what is remembered of it.

    Args:
        url: base URL or absolute directory.
        root_json: root of trust from the image.
        cache_dir: where accepted metadata is kept.
        fetcher: reads below ``url``; see ``hostio.net.locations``.
        clock: the machine's time.
        not_before: a moment known to have passed, such as the image's build;
            expiry is never judged by an earlier time.
    """

    def __init__(  # noqa: PLR0913 - each is a different port or fact
        self,
        url: str,
        root_json: bytes,
        cache_dir: Path,
        fetcher: Fetcher,
        clock: Clock,
        *,
        not_before: datetime = _LONG_AGO,
    ) -> None:
        self._url = url.rstrip("/")
        self._image_root = root_json
        self._cache = MetadataCache(cache_dir)
        self._fetcher = fetcher
        self._clock = clock
        self._not_before = not_before

    def refresh(self) -> tuple[Offer, ...]:
        """Fetch and verify metadata; returns every release that is offered.

        Raises:
            UntrustedData: metadata was refused; what is remembered is as before,
                but for newer roots that the known ones vouch for.
            TransientFailure: the repository cannot be read.
            HostFailure: metadata cannot be kept.
        """
        root = self._root()
        client = TufClient(self._url, self._fetcher, self._clock, self._not_before)
        try:
            refreshed: Refreshed = client.refresh(root, self._cache.roles())
        finally:
            reached = trusted_root(self._image_root, {**root.links, **client.seen_roots})
            self._cache.keep_roots(reached.links)
        self._cache.keep_roles(refreshed.roles)
        return _offers(refreshed.targets, prefixed=bool(reached.root.consistent_snapshot))

    def trust(self) -> Trust:
        """Whose signatures make a payload acceptable, by the newest known root.

        Works without the repository; the expiry of the root is not judged, so
        that a payload from a stick can be applied to a machine that was off
        for years.

        Raises:
            UntrustedData: the image's root of trust is unusable.
        """
        return trust_in(self._root().root)

    def open(self, offer: Offer) -> PayloadStream:
        """Start reading the payload of ``offer``; goes on after broken lines.

        Raises:
            TransientFailure: the mirror cannot be read.
            UntrustedData: what it holds has another size.
        """
        url = f"{self._url}/targets/{offer.path}"
        stream = ResumingStream(self._fetcher, url, self._clock)
        if stream.total not in {None, offer.length}:
            stream.close()
            raise UntrustedData(
                f"{offer.path} has {stream.total} bytes, {offer.length} were promised"
            )
        return PayloadStream(stream, offer)

    def _root(self) -> TrustedRoot:
        first = trusted_root(self._image_root, {})
        return trusted_root(self._image_root, self._cache.roots(after=first.root.version))


class PayloadStream:
    """The bytes of an offer; the last ones only when all are right."""

    def __init__(self, stream: ByteStream, offer: Offer) -> None:
        self._stream = stream
        self._offer = offer
        self._left = offer.length
        self._digest = hashlib.sha256()

    @property
    def total(self) -> int | None:
        """Bytes of the payload."""
        return self._offer.length

    def read(self, size: int) -> bytes:
        """See :meth:`hostio.net.fetch.ByteStream.read`.

        Raises:
            UntrustedData: the payload does not have the promised digest.
            TransientFailure: the line broke for good.
        """
        # Endless data: no byte beyond the promised length is asked for.
        data = self._stream.read(min(size, self._left)) if self._left else b""
        if self._left and size and not data:
            raise TransientFailure(f"{self._offer.path}: ended {self._left} bytes early")
        self._digest.update(data)
        self._left -= len(data)
        if not self._left and self._digest.hexdigest() != self._offer.sha256:
            raise UntrustedData(
                f"{self._offer.path} has sha256 {self._digest.hexdigest()},"
                f" {self._offer.sha256} was promised"
            )
        return data

    def close(self) -> None:
        """See :meth:`hostio.net.fetch.ByteStream.close`."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


def _offers(targets: Targets, *, prefixed: bool) -> tuple[Offer, ...]:
    if targets.delegations is not None:
        _log.warning("ignored=delegations reason=only_top_level_targets_count")
    offers = []
    for path, target in targets.targets.items():
        try:
            offer = _offer(path, target, prefixed=prefixed)
        except InvalidInput as fault:
            _log.warning("skipped=%r reason=%s", path[:200], fault)
            continue
        if offer is not None:
            offers.append(offer)
    return tuple(offers)


def _offer(path: str, target: TargetFile, *, prefixed: bool) -> Offer | None:
    """One target as an offer; nothing when it is no release of ours.

    Raises:
        InvalidInput: it claims to be one and is malformed.
    """
    fields = (target.custom or {}).get(_RELEASE)
    if fields is None:
        return None
    if not isinstance(fields, Mapping):
        raise InvalidInput("release fields are not an object")
    release = release_from_json(fields)
    # The path follows from the release, so it cannot lead anywhere else.
    if path != release.target_path:
        raise InvalidInput(f"release {release.version} belongs at {release.target_path}")
    sha256 = target.hashes.get("sha256", "")
    if _SHA256.fullmatch(sha256) is None:
        raise InvalidInput("no sha256")
    directory, _, name = path.rpartition("/")
    stored = f"{directory}/{sha256}.{name}" if prefixed else path
    return Offer(release, target.length, sha256, stored)
