"""One refresh of a repository's metadata by python-tuf.

python-tuf's ``Updater`` does the client workflow. Around it: our own fetcher,
a scratch directory in place of its cache, from which a role is taken as soon
as it was verified, and a time that never goes below what signed data has shown.

Only the four top-level roles are loaded. Delegations are not followed.

Source: TUF specification 1.0.33, section 5; python-tuf 5.1.0.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
    RepositoryError,
)
from tuf.api.metadata import Metadata, Root, Targets, Timestamp
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet

from hostio.net.budget import USUAL, Timeouts
from hostio.net.fetch import Fetcher, NotFound, ResumingStream, shown
from hostio.system.clock import Clock
from osmodel.faults import HostFailure, TransientFailure, UntrustedData
from osmodel.repository import ISSUED, METADATA, parse_issued
from update_engine.repository.keys import check_keys_differ
from update_engine.repository.metadatacache import LONGEST, ROLES
from update_engine.repository.rootchain import TrustedRoot
from update_engine.repository.webpage import is_web_page

_LIMITS = UpdaterConfig(
    max_root_rotations=64,
    root_max_length=256 << 10,
    timestamp_max_length=16 << 10,
    snapshot_max_length=256 << 10,
    targets_max_length=LONGEST,
)
_CHUNK = 64 << 10
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class TufClient:
    """Refreshes once.

    Args:
        url: where ``metadata/`` lies below.
        fetcher: reads below ``url``.
        clock: the machine's time and the pauses between attempts.
        not_before: a moment that is known to have passed.
        timeouts: how long a server may keep us waiting for one file.
    """

    def __init__(
        self,
        url: str,
        fetcher: Fetcher,
        clock: Clock,
        not_before: datetime,
        timeouts: Timeouts = USUAL,
    ) -> None:
        self._url = url
        self._clock = clock
        self._not_before = not_before
        self._courier = _Courier(fetcher, clock, timeouts)
        self._verified: dict[str, bytes] = {}

    @property
    def seen_roots(self) -> Mapping[int, bytes]:
        """Root metadata that was downloaded, trusted or not, by version."""
        return self._courier.roots

    @property
    def verified(self) -> Mapping[str, bytes]:
        """Timestamp, snapshot and targets as far as they were verified, by role.

        Also after a refusal: TUF keeps each role as soon as it was verified
        (5.4.5, 5.5.7, 5.6.6), so that a mirror that withholds the rest cannot
        show an older one later.
        """
        return self._verified

    def refresh(self, root: TrustedRoot, known: Mapping[str, bytes]) -> Targets:
        """Fetch and verify what is new; returns the targets role.

        Args:
            root: where trust begins.
            known: bytes of roles kept from the last refresh; what no longer
                verifies is ignored.

        Raises:
            UntrustedData: signatures, versions, expiry or hashes are wrong.
            TransientFailure: the repository cannot be read.
            HostFailure: no room for scratch files.
        """
        try:
            with tempfile.TemporaryDirectory(prefix="tuf-") as name:
                return self._refresh_in(Path(name), root, known)
        except ExpiredMetadataError as error:
            now = self._now(root.root, known)
            raise UntrustedData(
                f"{shown(self._url)}: {_sentence(error)} (it is {now:%Y-%m-%d %H:%M} UTC)",
                hint="the mirror must re-sign it; check the clock of this machine",
            ) from error
        except RepositoryError as error:
            raise UntrustedData(f"{shown(self._url)}: {_sentence(error)}") from error
        except DownloadHTTPError as error:
            raise NotFound(str(error)) from error
        except DownloadError as error:
            raise TransientFailure(str(error)) from error
        except OSError as error:
            raise HostFailure(f"scratch files: {error.strerror}") from error

    def _refresh_in(self, scratch: Path, root: TrustedRoot, known: Mapping[str, bytes]) -> Targets:
        for role, content in {**known, Root.type: root.raw}.items():
            (scratch / f"{role}.json").write_bytes(content)
        updater = Updater(
            str(scratch), f"{self._url}/{METADATA}/", fetcher=self._courier, config=_LIMITS
        )
        # 5.1.0 takes the time once, here, and has no public way to give it.
        trusted = updater._trusted_set  # noqa: SLF001 - see above
        trusted.reference_time = self._now(root.root, known)
        try:
            updater.refresh()
        finally:
            self._take_verified(scratch, known)
        self._check_against_its_own_time(trusted)
        return trusted.targets

    def _take_verified(self, scratch: Path, known: Mapping[str, bytes]) -> None:
        """What python-tuf stored: it does so role by role, each once it is verified."""
        for role in ROLES:
            path = scratch / f"{role}.json"
            if path.exists() and (content := path.read_bytes()) != known.get(role):
                self._verified[role] = content

    @staticmethod
    def _check_against_its_own_time(trusted: TrustedMetadataSet) -> None:
        """Refuse what had expired when the timestamp over it was signed.

        A machine without a clock sees by this that time has passed.
        """
        signed_at = _issued_by(trusted.timestamp)
        for role in (trusted.root, trusted.snapshot, trusted.targets):
            if role.is_expired(signed_at):
                raise ExpiredMetadataError(f"{role.type}.json is expired")

    def _now(self, root: Root, known: Mapping[str, bytes]) -> datetime:
        """The machine's time, but never before what was signed."""
        return max(self._clock.now(), self._not_before, issued(root, known.get("timestamp", b"")))


class _Courier(FetcherInterface):
    """Brings metadata to python-tuf through our fetcher.

    Our faults pass through python-tuf unchanged; only "there is no such file"
    is said in its words, because it ends the search for roots.
    """

    def __init__(self, fetcher: Fetcher, clock: Clock, timeouts: Timeouts) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._timeouts = timeouts
        self.roots: dict[int, bytes] = {}

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """Read a whole file of at most ``max_length`` bytes."""
        if type(max_length) is not int:
            # Signed, and nonsense: lengths are whole numbers.
            raise UntrustedData(f"{shown(url)}: is announced with {max_length!r:.40} bytes")
        try:
            content = self._received(url, min(max_length, LONGEST))
        except NotFound as error:
            raise DownloadHTTPError(str(error), 404) from error
        metadata = _parsed(url, content)
        version, _, rest = url.rpartition("/")[2].partition(".")
        if rest == "root.json" and version.isdecimal():
            self.roots[int(version)] = content
            if isinstance(metadata.signed, Root):
                # python-tuf counts key ids, which are names.
                check_keys_differ(metadata.signed)
        return content

    def _received(self, url: str, limit: int) -> bytes:
        received = bytearray()
        with ResumingStream(self._fetcher, url, self._clock, self._timeouts) as stream:
            while chunk := stream.read(min(_CHUNK, limit + 1 - len(received))):
                received += chunk
                # Endless data (TUF 5.3.3, 5.4.1, 5.5.1, 5.6.1).
                if len(received) > limit:
                    raise UntrustedData(f"{shown(url)} is larger than {limit} bytes")
        return bytes(received)

    def _fetch(self, url: str) -> Iterator[bytes]:
        raise AssertionError(f"python-tuf streams {url}")


def _parsed(url: str, content: bytes) -> Metadata[Any]:
    """Metadata that is well-formed; who signed it is not looked at.

    Raises:
        TransientFailure: a web page in its place.
        UntrustedData: something else.
    """
    if is_web_page(content):
        raise TransientFailure(
            f"{shown(url)} answered with a web page, not with update metadata (a captive portal?)"
        )
    try:
        return Metadata.from_bytes(content)
    except RepositoryError as error:
        raise UntrustedData(f"{shown(url)}: not update metadata") from error


def issued(root: Root, timestamp: bytes) -> datetime:
    """When the mirror signed ``timestamp``, if ``root`` vouches for it.

    A host whose clock is wrong (no battery, 1970) uses it as the earliest time
    it can be. It is dropped with the key that signed it.
    """
    try:
        metadata: Metadata[Timestamp] = Metadata.from_bytes(timestamp)
        root.verify_delegate(Timestamp.type, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError):
        return _LONG_AGO
    return _issued_by(metadata.signed)


def _issued_by(timestamp: Timestamp) -> datetime:
    return parse_issued(timestamp.unrecognized_fields.get(ISSUED)) or _LONG_AGO


def _sentence(error: Exception) -> str:
    """A library's message as one of ours: one line, no full stop, no capital."""
    text = " ".join(str(error).split()) or type(error).__name__
    return (text[:1].lower() + text[1:]).rstrip(".")[:300]
