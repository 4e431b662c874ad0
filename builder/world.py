"""Every way in which building an image touches the machine it runs on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from builder.cache import Cache
from builder.packages import mirrors, proxies
from builder.packages.debs import DebCache
from builder.packages.mirrors import Mirrors
from builder.packages.proxies import Proxies
from builder.packages.solving import KEYRING
from hostio.net.fetch import Fetcher
from hostio.system.binfmt import BinaryFormats
from hostio.system.clock import Clock
from hostio.system.runner import Runner

CACHE_VARIABLE = "TWINKEEL_CACHE"
KEYRING_VARIABLE = "TWINKEEL_KEYRING"
NEWER_VARIABLE = "TWINKEEL_NEWER_LOCKS"


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

    def debs(self, archives: Mapping[str, str] | None = None) -> DebCache:
        """The package files of this host.

        Args:
            archives: addresses of archives beside Debian's, by name.
        """
        # Mirrors are asked for only when something is missing.
        known = partial(self.mirrors, archives)
        return DebCache(self.cache.directory / "debs", known, self.fetcher, self.clock)

    def mirrors(self, archives: Mapping[str, str] | None = None) -> Mirrors:
        """Where Debian's archives are, and some others."""
        found = mirrors.find(self.environment, self.runner)
        return replace(found, others=dict(archives or {}))

    def allowing_newer(self, directory: Path) -> BuildWorld:
        """A world that may take newer packages for those that are gone.

        Args:
            directory: receives their locks.
        """
        return replace(self, environment={**self.environment, NEWER_VARIABLE: str(directory)})

    def proxies(self) -> Proxies:
        """How the archives are reached."""
        return proxies.find(self.environment, self.runner)

    @property
    def keyring(self) -> Path:
        """Who signs Debian's archives."""
        chosen = self.environment.get(KEYRING_VARIABLE)
        return Path(chosen) if chosen else KEYRING

    @property
    def newer_locks(self) -> Path | None:
        """Where locks go that replace packages which are gone; ``None`` if none may."""
        chosen = self.environment.get(NEWER_VARIABLE)
        return Path(chosen).absolute() if chosen else None
