"""Everything through which ``update-mirror`` touches more than its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hostio.system.clock import Clock
from mirror.admission import Announce, Limits, Listen
from mirror.repository.publication import SignRelease


@dataclass(frozen=True, slots=True)
class MirrorWorld:
    """Made once, in ``main``.

    Attributes:
        clock: dates of metadata.
        sign_release: writes the signed payload of a release.
        serve: serves a repository until it is told to end.
    """

    clock: Clock
    sign_release: SignRelease
    serve: Callable[[Path, Listen, Announce, Limits], None]
