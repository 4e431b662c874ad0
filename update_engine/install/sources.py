"""Where a release comes from: the repository, or a file that an operator brought.

Both are held to the same keys and the same threshold, so a USB drive is as
safe as the mirror. Only the repository also promises freshness. Of the payloads
of a release the smallest is taken that this machine can apply.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from hostio.net.fetch import ByteStream
from osmodel.faults import HostFailure, InvalidInput, UntrustedData
from osmodel.release import Release
from osmodel.repository import Offer, OfferedPayload
from update_engine.core.offers import OTHER_MACHINE, Choice, Host, choose
from update_engine.install.payload import OpenedPayload, open_payload
from update_engine.world import Releases


@dataclass(frozen=True, slots=True)
class Found:
    """The answer of a source.

    Attributes:
        choice: the release to install, and what was refused.
        size: bytes of its payload, 0 if there is none.
    """

    choice: Choice
    size: int


class Source(Protocol):
    """Something that can be asked for a release, and then for its payload."""

    def find(self, host: Host) -> Found:
        """Ask what there is for ``host``.

        Raises:
            TransientFailure: it cannot be reached.
            UntrustedData: what it says is not authentic.
        """
        ...

    def opened(self, release: Release) -> AbstractContextManager[OpenedPayload]:
        """The authenticated payload of a release that ``find`` chose.

        Raises:
            UntrustedData: not authentic, or of another release.
            TransientFailure: it cannot be reached.
        """
        ...


def applicable(
    offered: Iterable[Offer], sources: Container[str | None] = frozenset({None})
) -> dict[Release, OfferedPayload]:
    """For each release that can be applied, the smallest payload that does it.

    Args:
        offered: what the repository has.
        sources: root hashes that deltas may start from here; ``None`` stands
            for "from nothing", which is a full payload.
    """
    best: dict[Release, OfferedPayload] = {}
    for offer in offered:
        fitting = [payload for payload in offer.payloads if payload.source in sources]
        if fitting:
            best[offer.release] = min(fitting, key=lambda payload: payload.length)
    return best


class FromRepository:
    """The repository of the configuration."""

    def __init__(self, releases: Releases) -> None:
        self._releases = releases
        self._payloads: Mapping[Release, OfferedPayload] = {}

    def find(self, host: Host) -> Found:
        """See :meth:`Source.find`."""
        self._payloads = applicable(self._releases.refresh())
        choice = choose(self._payloads, host)
        size = self._payloads[choice.release].length if choice.release else 0
        return Found(choice, size)

    @contextmanager
    def opened(self, release: Release) -> Iterator[OpenedPayload]:
        """See :meth:`Source.opened`."""
        stream: ByteStream = self._releases.open(self._payloads[release])
        try:
            payload = open_payload(stream, self._releases.trust())
            if payload.release != release:
                # A mirror may serve one release's payload under another's name.
                raise UntrustedData(
                    f"payload is of {_described(payload.release)}, "
                    f"metadata promised {_described(release)}"
                )
            yield payload
        finally:
            stream.close()


class FromFile:
    """A payload file.

    Args:
        path: the file.
        releases: whose keys must have signed it; nothing is fetched.
        open_file: opens it for reading.
    """

    def __init__(
        self,
        path: Path,
        releases: Releases,
        open_file: Callable[[Path], BinaryIO] = lambda path: path.open("rb"),
    ) -> None:
        self._path = path
        self._releases = releases
        self._open = open_file

    def find(self, host: Host) -> Found:
        """See :meth:`Source.find`.

        Raises:
            InvalidInput: no file, or one for another kind of machine. A
                repository is full of those; a file is brought for this machine.
            HostFailure: the medium cannot be read.
        """
        with self._payload() as (payload, size):
            choice = choose([payload.release], host)
            for refusal in choice.refused:
                if refusal.reason in OTHER_MACHINE:
                    raise InvalidInput(f"{self._path}: {refusal.text}")
            return Found(choice, size)

    @contextmanager
    def opened(self, release: Release) -> Iterator[OpenedPayload]:
        """See :meth:`Source.opened`; ``HostFailure`` if the medium cannot be read."""
        with self._payload() as (payload, _):
            if payload.release != release:
                raise UntrustedData(f"{self._path}: changed while it was being read")
            yield payload

    @contextmanager
    def _payload(self) -> Iterator[tuple[OpenedPayload, int]]:
        try:
            if self._path.exists() and not self._path.is_file():
                raise InvalidInput(f"{self._path}: not a regular file")  # a FIFO would hold us up
            file = self._open(self._path)
            size = self._path.stat().st_size
        except OSError as error:
            raise InvalidInput(f"{self._path}: {error.strerror}") from error
        with file:
            medium = _Medium(self._path, file)
            yield open_payload(medium, self._releases.trust()), size


class _Medium:
    """A file whose medium may fail while it is read."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file

    def read(self, size: int, /) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise HostFailure(
                f"{self._path}: {error.strerror}", hint="check the medium that the payload is on"
            ) from error


def _described(release: Release) -> str:
    machine = f"{release.architecture} {release.platform}"
    return f"{release.image} {release.version} for {machine} with {release.root_hash[:16]}"
