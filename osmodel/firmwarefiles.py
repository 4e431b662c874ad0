"""The firmware files of a Raspberry Pi, which belong to no slot: which, and their order.

An image carries a copy of them with a listing of sizes, hashes and the versions
of the packages they come from. The listing on the FAT partition is replaced
last, so it never promises more than what is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from osmodel.faults import InvalidInput

HOME = "usr/lib/twinkeel/firmware/raspberrypi"
LISTING = "firmware.json"
CONFIG = "config.txt"
# A board stops when one file of a pair does not match the other.
PAIRS = (("start.elf", "fixup.dat"), ("start4.elf", "fixup4.dat"))
# Before anything else: what the next ones may depend on. The licence comes first
# of all, so that no firmware is there without it.
_FIRST = ("LICENCE.broadcom", "bootcode.bin")
_LAST = ("u-boot.bin", "boot.scr", CONFIG)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LARGEST = 64 << 20  # bytes; the largest of them has three million


@dataclass(frozen=True, slots=True)
class File:
    """What a file must be: bytes and SHA-256 in 64 hex digits."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What a set of firmware files consists of.

    Attributes:
        packages: version of each package they come from.
        files: size and hash of each file, by name.
    """

    packages: Mapping[str, str]
    files: Mapping[str, File]


def to_json(listing: Listing) -> dict[str, object]:
    """The listing as JSON values; the inverse of :func:`parse`."""
    return {
        "packages": dict(sorted(listing.packages.items())),
        "files": {name: asdict(file) for name, file in sorted(listing.files.items())},
    }


def parse(text: str) -> Listing:
    """Read a listing.

    Raises:
        InvalidInput: not a listing.
    """
    try:
        fields = json.loads(text)
        packages = {str(name): str(version) for name, version in fields["packages"].items()}
        files = {name: _file(name, row) for name, row in fields["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"{LISTING}: not a listing of firmware files: {error!r:.100}") from error
    return Listing(packages, files)


def _file(name: str, row: Mapping[str, object]) -> File:
    size, sha256 = row["size"], row["sha256"]
    if not isinstance(size, int) or not 0 <= size <= _LARGEST or not isinstance(sha256, str):
        raise ValueError(name)
    if not _NAME.fullmatch(name) or not _SHA256.fullmatch(sha256):
        raise ValueError(name)
    return File(size, sha256)


def groups(names: Iterable[str]) -> Sequence[tuple[str, ...]]:
    """The order in which files are replaced; those of a group belong together."""
    left = set(names)
    early = [*((name,) for name in _FIRST), *PAIRS]
    rest = sorted(left - {name for group in early for name in group} - set(_LAST))
    order = [*early, *((name,) for name in (*rest, *_LAST))]
    present = [tuple(name for name in group if name in left) for group in order]
    return [group for group in present if group]
