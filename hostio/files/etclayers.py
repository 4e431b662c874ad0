"""The two layers of /etc: what the image has, and what this machine changed.

The upper directory of the overlay is read where it lies. A file that was deleted
is a device with number 0 there, a directory that was made anew has a mark and
hides what the image has in it.

Source: Linux, Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from hostio.files.guardedtree import ReadableTree
from hostio.files.imagelayer import image_layer
from osmodel.faults import HostFailure

UPPER = Path("/var/lib/overlays/etc/upper")
_OPAQUE = "trusted.overlay.opaque"
_TOP = "etc"
_LONGEST = 1 << 20  # bytes read of an account file


class Kind(StrEnum):
    """How a machine's own entry hides the image's."""

    FILE = "file"
    REMOVED = "removed"
    HIDING = "hiding"  # a directory that was made anew


@dataclass(frozen=True, slots=True)
class OwnEntry:
    """What this machine has in place of the image's.

    Attributes:
        stamp: changes with each edit, also by ``touch``.
    """

    kind: Kind
    stamp: str


class EtcLayers(Protocol):
    """Port for the layers; the fake is ``tests.fakes.rametc.RamEtc``.

    Paths are absolute. All raise ``HostFailure`` when the layers cannot be read;
    it takes root.
    """

    def own(self) -> Mapping[str, OwnEntry]:
        """All that hides something of the image, or would if the image had it."""
        ...

    def image(self) -> Mapping[str, str]:
        """A digest of each file and link of the image, with its mode and owner."""
        ...

    def texts(self, path: str) -> tuple[str, str]:
        """A small file as the image has it and as the machine has it; empty if missing."""
        ...


class OverlaidEtc:
    """The overlay of this machine; see :class:`EtcLayers`."""

    def __init__(
        self,
        upper: Path = UPPER,
        root: Path = Path("/"),
        layer: Callable[[Path], AbstractContextManager[ReadableTree]] = image_layer,
    ) -> None:
        self._upper = upper
        self._root = root
        self._layer = layer

    def own(self) -> Mapping[str, OwnEntry]:
        """See :meth:`EtcLayers.own`."""
        try:
            return dict(self._own_entries())
        except OSError as error:
            raise HostFailure(f"{self._upper}: {error.strerror}", hint="try as root") from error

    def image(self) -> Mapping[str, str]:
        """See :meth:`EtcLayers.image`."""
        with self._layer(self._root) as tree:
            return {
                path: f"{entry.digest or entry.target} {entry.mode:o} {entry.owner.user}"
                f":{entry.owner.group}"
                for path, entry in tree.entries(_TOP).items()
            }

    def texts(self, path: str) -> tuple[str, str]:
        """See :meth:`EtcLayers.texts`."""
        with self._layer(self._root) as tree:
            below = tree.read(path, _LONGEST) or b""
        try:
            above = (self._root / path.lstrip("/")).read_bytes()
        except FileNotFoundError:
            above = b""
        except OSError as error:
            raise HostFailure(f"{path}: {error.strerror}") from error
        return below.decode(errors="replace"), above.decode(errors="replace")

    def _own_entries(self) -> Iterator[tuple[str, OwnEntry]]:
        for top, names, files in os.walk(self._upper):
            place = Path(top)
            for name in (*names, *files):
                status = (place / name).lstat()
                kind = _kind(place / name, status)
                if kind is not None:
                    path = Path("/", _TOP) / (place / name).relative_to(self._upper)
                    yield str(path), OwnEntry(kind, str(status.st_ctime_ns))


def _kind(path: Path, status: os.stat_result) -> Kind | None:
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
        return Kind.REMOVED
    if not stat.S_ISDIR(status.st_mode):
        return Kind.FILE
    return Kind.HIDING if _OPAQUE in os.listxattr(path) else None
