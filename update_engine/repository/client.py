"""The update repository as a host sees it: offers, trust, payload bytes.

Nothing is believed that the root of trust in the image does not lead to. Each
role of the metadata is kept once it was verified, also when a later one is
refused; offers come only from a refresh that was accepted to its end. A payload
is never longer than promised, and its last bytes are handed out only when all
of them have the promised hash.

Which repository it is, is decided by keys and not by its address: a mirror may
move, and its host still remembers what it has seen; another repository has
other keys, and nothing remembered verifies under them.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from tuf.api.metadata import Targets

from hostio.net.budget import USUAL, Timeouts
from hostio.net.fetch import ByteStream, Fetcher, ResumingStream, shown
from hostio.system.clock import Clock
from osmodel.faults import TransientFailure, UntrustedData
from osmodel.repository import TARGETS, Offer, OfferedPayload, Target, offers
from update_engine.repository.keys import Trust, trust_in
from update_engine.repository.metadatacache import MetadataCache
from update_engine.repository.rootchain import TrustedRoot, trusted_root
from update_engine.repository.tufclient import TufClient
from update_engine.repository.webpage import LONGEST_OPENING, is_web_page

_log = logging.getLogger(__name__)

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


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
        timeouts: how long a server may keep us waiting for one file.
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
        timeouts: Timeouts = USUAL,
    ) -> None:
        self._url = url.rstrip("/")
        self._image_root = root_json
        self._cache = MetadataCache(cache_dir)
        self._fetcher = fetcher
        self._clock = clock
        self._not_before = not_before
        self._timeouts = timeouts

    def refresh(self) -> tuple[Offer, ...]:
        """Fetch and verify metadata; returns every release that is offered.

        Raises:
            UntrustedData: metadata was refused; of what was fetched, the roles
                that were verified before it are remembered.
            TransientFailure: the repository cannot be read.
            HostFailure: metadata cannot be kept.
        """
        root = self._root()
        client = TufClient(self._url, self._fetcher, self._clock, self._not_before, self._timeouts)
        try:
            targets = client.refresh(root, self._cache.roles())
        finally:
            reached = trusted_root(self._image_root, {**root.links, **client.seen_roots})
            self._cache.keep_roots(reached.links)
            self._cache.keep_roles(client.verified)
        return _offers(targets)

    def trust(self) -> Trust:
        """Whose signatures make a payload acceptable, by the newest known root.

        Works without the repository; the expiry of the root is not judged, so
        that a payload from a USB drive can be applied to a machine that was off
        for years.

        Raises:
            UntrustedData: the image's root of trust is unusable.
        """
        return trust_in(self._root().root)

    def open(self, payload: OfferedPayload) -> PayloadStream:
        """Start reading a payload that was offered; goes on after broken lines.

        Raises:
            TransientFailure: the mirror cannot be read.
            UntrustedData: what it holds has another size.
        """
        prefixed = self._root().root.consistent_snapshot
        path = payload.stored_path if prefixed else payload.path
        url = f"{self._url}/{TARGETS}/{path}"
        stream = ResumingStream(self._fetcher, url, self._clock, self._timeouts)
        if stream.total not in {None, payload.length}:
            with stream:
                opening = stream.read(LONGEST_OPENING)
            if is_web_page(opening):
                raise TransientFailure(
                    f"{shown(url)} answered with a web page, not with the payload"
                    " (a captive portal?)"
                )
            raise UntrustedData(
                f"{shown(url)} has {stream.total} bytes, {payload.length} were promised"
            )
        return PayloadStream(stream, payload)

    def _root(self) -> TrustedRoot:
        first = trusted_root(self._image_root, {})
        return trusted_root(self._image_root, self._cache.roots(after=first.root.version))


class PayloadStream:
    """The bytes of a payload; the last ones only when all are right."""

    def __init__(self, stream: ByteStream, payload: OfferedPayload) -> None:
        self._stream = stream
        self._payload = payload
        self._left = payload.length
        self._digests = {name: hashlib.new(name) for name in payload.hashes}

    @property
    def total(self) -> int | None:
        """Bytes of the payload."""
        return self._payload.length

    def read(self, size: int) -> bytes:
        """See :meth:`hostio.net.fetch.ByteStream.read`.

        Raises:
            UntrustedData: the payload does not have the promised digest.
            TransientFailure: the line broke for good.
        """
        # Endless data: no byte beyond the promised length is asked for.
        data = self._stream.read(min(size, self._left)) if self._left else b""
        if self._left and size and not data:
            raise TransientFailure(f"{self._payload.path}: ended {self._left} bytes early")
        for digest in self._digests.values():
            digest.update(data)
        self._left -= len(data)
        if not self._left:
            self._check_digests()
        return data

    def _check_digests(self) -> None:
        for name, promised in self._payload.hashes.items():
            found = self._digests[name].hexdigest()
            if found != promised:
                raise UntrustedData(
                    f"{self._payload.path} has {name} {found}, {promised} was promised"
                )

    def close(self) -> None:
        """See :meth:`hostio.net.fetch.ByteStream.close`."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


def _offers(role: Targets) -> tuple[Offer, ...]:
    if role.delegations is not None:
        _log.warning("ignored=delegations reason=only_top_level_targets_count")
    found, skipped = offers(
        Target(path, target.length, target.hashes, target.custom)
        for path, target in role.targets.items()
    )
    for one in skipped:
        _log.warning("skipped=%r reason=%s", one.path[:200], one.reason)
    return found
