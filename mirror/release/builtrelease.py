"""What ``build-image`` left in a directory, as far as publishing needs it.

The manifest names the release and the size and sha256 of each file; each
payload is read once to see that it is the one that was built.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from osmodel.faults import HostFailure, InvalidInput, UntrustedData
from osmodel.release import Release
from osmodel.releasemanifest import FILE_NAME, FULL_PAYLOAD, LONGEST, ReleaseManifest

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class BuiltPayload:
    """A payload as built, not yet signed.

    Attributes:
        release: what it installs.
        path: the file.
        sha256: digest of that file, 64 hex digits, as found on disk.
        source: root hash of the release it changes; ``None`` if it is full.
    """

    release: Release
    path: Path
    sha256: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class BuiltRelease:
    """A release as built.

    Attributes:
        release: what it is.
        payloads: the full one first, then deltas.
    """

    release: Release
    payloads: tuple[BuiltPayload, ...]


def read(built: Path) -> BuiltRelease:
    """Read a directory written by ``build-image``.

    Raises:
        InvalidInput: no such directory, or its manifest says too little.
        UntrustedData: a payload is not the one the manifest describes.
        HostFailure: a file cannot be read.
    """
    manifest = _manifest(built / FILE_NAME)
    payloads = dict(sorted(manifest.payloads.items(), key=lambda item: item[0] != FULL_PAYLOAD))
    if FULL_PAYLOAD not in payloads:
        raise InvalidInput(
            f"{built / FILE_NAME}: files: {FULL_PAYLOAD} is missing",
            hint="build the release without --no-payload",
        )
    found = []
    for name, promised in payloads.items():
        path = built / name
        size, sha256 = digest_of(path)
        if (size, sha256) != (promised.size, promised.sha256):
            raise UntrustedData(
                f"{path} has {size} bytes and sha256 {sha256[:16]}...,"
                f" the manifest says {promised.size} and {promised.sha256[:16]}...",
                hint="build the release again",
            )
        found.append(BuiltPayload(manifest.release, path, sha256, promised.source))
    return BuiltRelease(manifest.release, tuple(found))


def digest_of(path: Path) -> tuple[int, str]:
    """Size in bytes and sha256 in hex of a file.

    Raises:
        InvalidInput: there is no such file.
        HostFailure: it cannot be read.
    """
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InvalidInput(f"{path} is missing") from error
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}") from error
    return size, digest.hexdigest()


def _manifest(path: Path) -> ReleaseManifest:
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InvalidInput(
            f"{path} is missing", hint="give the directory that build-image printed"
        ) from error
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}") from error
    try:
        return ReleaseManifest.parse(content)
    except InvalidInput as fault:
        raise InvalidInput(f"{path}: {fault}", hint=fault.hint) from fault
