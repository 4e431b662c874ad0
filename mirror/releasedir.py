"""What ``build-image`` left in a directory, as far as publishing needs it.

``manifest.json`` names the release and the size and sha256 of each file; the
payload is read once to see that it is the one that was built.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from osmodel.faults import HostFailure, InvalidInput, UntrustedData
from osmodel.release import Release, release_from_json

PAYLOAD = "full.payload"
_MANIFEST = "manifest.json"
_LONGEST_MANIFEST = 64 << 20  # bytes; it lists every package and file
_CHUNK = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class BuiltRelease:
    """A release as built, its payload not yet signed.

    Attributes:
        release: what it is.
        payload: the payload file.
        sha256: digest of that file, 64 hex digits, as found on disk.
    """

    release: Release
    payload: Path
    sha256: str


def read(built: Path) -> BuiltRelease:
    """Read a directory written by ``build-image``.

    Raises:
        InvalidInput: no such directory, or its manifest says too little.
        UntrustedData: the payload is not the one the manifest describes.
        HostFailure: a file cannot be read.
    """
    manifest = _manifest(built / _MANIFEST)
    where = str(built / _MANIFEST)
    release = release_from_json(_table(manifest, "release", where))
    entry = _table(_table(manifest, "files", where), PAYLOAD, where)
    size, sha256 = entry.get("size"), entry.get("sha256")
    if type(size) is not int or not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise InvalidInput(f"{where}: files: {PAYLOAD}: expected size and sha256")
    payload = built / PAYLOAD
    found_size, found = digest_of(payload)
    if (found_size, found) != (size, sha256):
        raise UntrustedData(
            f"{payload} has {found_size} bytes and sha256 {found[:16]}...,"
            f" the manifest says {size} and {sha256[:16]}...",
            hint="build the release again",
        )
    return BuiltRelease(release, payload, sha256)


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


def _manifest(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST_MANIFEST + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InvalidInput(
            f"{path} is missing", hint="give the directory that build-image printed"
        ) from error
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}") from error
    if len(text) > _LONGEST_MANIFEST:
        raise InvalidInput(f"{path} has more than {_LONGEST_MANIFEST} bytes")
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is not JSON: {error}") from error
    if not isinstance(manifest, Mapping):
        raise InvalidInput(f"{path}: expected an object")
    return manifest


def _table(outer: Mapping[str, object], key: str, where: str) -> Mapping[str, object]:
    table = outer.get(key)
    if not isinstance(table, Mapping):
        raise InvalidInput(f"{where}: {key} is missing or not an object")
    return table
