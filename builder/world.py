"""Every way in which building an image touches the machine it runs on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.cache import Cache
from builder.packages import mirrors
from builder.packages.debs import DebCache
from builder.packages.mirrors import Mirrors
from hostio.net.fetch import Fetcher
from hostio.system.binfmt import BinaryFormats
from hostio.system.clock import Clock
from hostio.system.runner import Runner

CACHE_VARIABLE = "TWINKEEL_CACHE"


@dataclass(frozen=True, slots=True)
class BuildWorld:
    """Ports and places of the builder; ``builder.local`` has the real ones.

    Attributes:
        runner: runs programs of the host; as root when an image is built.
        fetcher: reads mirrors; must allow several threads.
        clock: times steps and waits between attempts.
        formats: lets the kernel start programs of other architectures.
        environment: usually ``os.environ``.
        home: of the user, for the cache's usual place.
        user: number of the user; making a root tree takes 0.
    """

    runner: Runner
    fetcher: Fetcher
    clock: Clock
    formats: BinaryFormats
    environment: Mapping[str, str]
    home: Path
    user: int = 0

    @property
    def cache(self) -> Cache:
        """Where finished steps and downloads are kept."""
        chosen = self.environment.get(CACHE_VARIABLE)
        return Cache(Path(chosen).absolute() if chosen else self.home / ".cache/twinkeel")

    @property
    def debs(self) -> DebCache:
        """The package files of this host."""
        return DebCache(self.cache.directory / "debs", self.mirrors, self.fetcher, self.clock)

    def mirrors(self) -> Mirrors:
        """Where Debian's archive is; asked only when something is missing."""
        return mirrors.find(self.environment, self.runner)
