"""Fetch locked .deb files into the cache, several at a time.

A file enters the cache under its SHA-256, after its bytes were checked, by a
rename: what is in the cache is whole, and an interrupted run keeps every file
it finished. Mirrors are not trusted and may be anything; nor is the snapshot
service, which is asked for what a mirror no longer has.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from builder.packages.lock import LOCAL, LockedPackage
from builder.packages.mirrors import SNAPSHOT_VARIABLE, Mirrors
from hostio.net.directoryfetch import DirectoryFetcher
from hostio.net.fetch import Fetcher, NotFound, Refused, ResumingStream, shown
from hostio.system.clock import Clock
from osmodel.faults import InvalidInput, TransientFailure, UntrustedData

_AT_ONCE = 6  # connections; mirrors frown on more
_PIECE = 1 << 20  # bytes
_SHOWN = 3  # packages named in one message
_WAYS_OUT = (
    "--newer takes what replaces them, `build-image lock` makes the lock anew, and"
    f" {SNAPSHOT_VARIABLE} names another snapshot service"
)
_MAY_LACK = "check the access; an object store answers so for files that it does not have"
_CHANGED = "after a change of the file run `build-image lock`"

Seen = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Gathered:
    """What became of packages that were wanted.

    Attributes:
        gone: those that neither their archive nor the snapshot service has.
        reason: why the first of them was not found.
        refused: whether that was since the mirror refused it.
        recovered: those that the snapshot service had.
    """

    gone: tuple[LockedPackage, ...] = ()
    reason: str = ""
    refused: bool = False
    recovered: tuple[LockedPackage, ...] = ()


@dataclass(frozen=True, slots=True)
class DebCache:
    """The .deb files of this host, by content.

    Attributes:
        directory: one file per package, named by its SHA-256.
        mirrors: where missing ones come from.
        fetcher: reads http mirrors; must allow several threads.
        clock: waits between attempts.
    """

    directory: Path
    mirrors: Callable[[], Mirrors]
    fetcher: Fetcher
    clock: Clock

    def path(self, package: LockedPackage) -> Path:
        """Where the file is, once it was fetched."""
        return self.directory / package.sha256

    def holds(self, packages: Iterable[LockedPackage]) -> bool:
        """Whether every package is in the cache; counts as a use of each."""
        return all([self._has(item) for item in packages])  # noqa: C419 - each is used

    def gather(
        self,
        packages: Iterable[LockedPackage],
        snapshot: str = "",
        seen: Seen = lambda _done, _total: None,
    ) -> Gathered:
        """Get every package into the cache that can be had.

        Args:
            packages: what is wanted.
            snapshot: when all of them were in the archive, as locks write it.
            seen: told the bytes fetched so far and the bytes to fetch.

        Raises:
            UntrustedData: a mirror sent other bytes than the lock names.
            TransientFailure: a mirror is down, five times in a row.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        missing = {item.sha256: item for item in packages if not self._has(item)}
        if not missing:
            return Gathered()
        return self._fetch_missing(tuple(missing.values()), self._sources(snapshot), seen)

    def fetch(
        self, packages: Iterable[LockedPackage], snapshot: str = ""
    ) -> Mapping[LockedPackage, Path]:
        """Make sure that every package is in the cache; see :meth:`gather`.

        Raises:
            InvalidInput: a package is not to be had any more.
        """
        wanted = tuple(packages)
        check(self.gather(wanted, snapshot))
        return {item: self.path(item) for item in wanted}

    def lacking(self, packages: Iterable[LockedPackage]) -> tuple[LockedPackage, ...]:
        """Those that their archive does not have any more; nothing is fetched.

        Raises:
            TransientFailure: a mirror is down.
        """
        sources = self._sources("")
        wanted = tuple(packages)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            there = list(pool.map(sources.has, wanted))
        return tuple(item for item, found in zip(wanted, there, strict=True) if not found)

    def _sources(self, snapshot: str) -> _Sources:
        return _Sources(self.mirrors(), self.fetcher, self.clock, snapshot)

    def _has(self, package: LockedPackage) -> bool:
        path = self.path(package)
        try:
            os.utime(path)  # the cache is pruned by age of use
        except FileNotFoundError:
            return False
        return path.stat().st_size == package.size

    def _fetch_missing(
        self, missing: tuple[LockedPackage, ...], sources: _Sources, seen: Seen
    ) -> Gathered:
        total = sum(item.size for item in missing)
        done = 0
        # Big files first, so that none is left alone at the end.
        order = sorted(missing, key=lambda item: -item.size)
        gone = []
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            running = {pool.submit(self._fetch_one, item, sources): item for item in order}
            try:
                for finished in as_completed(running):
                    if not finished.result():
                        gone.append(running[finished])
                    done += running[finished].size
                    seen(done, total)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        left = tuple(sorted(gone, key=lambda item: item.name))
        recovered = tuple(sorted(sources.recovered, key=lambda item: item.name))
        return Gathered(left, sources.reason, sources.refused, recovered)

    def _fetch_one(self, package: LockedPackage, sources: _Sources) -> bool:
        content = sources.read(package)
        if content is None:
            return False
        beside = self.directory / f".{package.sha256}.{os.getpid()}"
        try:
            beside.write_bytes(content)
            beside.replace(self.path(package))
        finally:
            beside.unlink(missing_ok=True)
        return True


def check(gathered: Gathered) -> None:
    """Refuse to go on without a package.

    Raises:
        InvalidInput: one is not to be had any more; names it, and what to do.
    """
    if not gathered.gone:
        return
    first, *others = gathered.gone
    names = [f"{first.name} {first.version}", *(item.name for item in others[: _SHOWN - 1])]
    more = f" and {len(others) + 1 - _SHOWN} more" if len(others) >= _SHOWN else ""
    verb = "refused by the mirror" if gathered.refused else "gone from the archive"
    raise InvalidInput(
        f"{verb}: {', '.join(names)}{more} ({gathered.reason})",
        hint=_MAY_LACK if gathered.refused else _WAYS_OUT,
    )


@dataclass(slots=True)
class _Sources:
    """Where one run takes packages from; used by several threads.

    Attributes:
        mirrors: addresses.
        fetcher: reads http.
        clock: waits between attempts.
        snapshot: time for the snapshot service; empty to leave it alone.
    """

    mirrors: Mirrors
    fetcher: Fetcher
    clock: Clock
    snapshot: str
    reason: str = ""
    refused: bool = False
    recovered: list[LockedPackage] = field(default_factory=list)
    _down: str = ""
    _asking: threading.Lock = field(default_factory=threading.Lock)

    def has(self, package: LockedPackage) -> bool:
        """Whether the package's archive has it."""
        try:
            self._opened(self.mirrors.url(package)).close()
        except NotFound:
            return False
        return True

    def read(self, package: LockedPackage) -> bytes | None:
        """The package's bytes; ``None`` if they are not to be had any more."""
        url = self.mirrors.url(package)
        try:
            with self._opened(url) as stream:
                return _received(stream, package, url)
        except NotFound as missing:
            return self._recovered(package, missing)

    def _recovered(self, package: LockedPackage, missing: NotFound) -> bytes | None:
        urls = self.mirrors.snapshot_urls(package, self.snapshot)
        for url in urls:
            if self._is_offered(url):
                with self._opened(url) as stream:
                    content = _received(stream, package, url)
                self.recovered.append(package)
                return content
        absent = "the snapshot service does not have it either" if urls else ""
        if not self.reason:
            self.refused = isinstance(missing, Refused)
            self.reason = "; ".join(filter(None, [str(missing), self._down or absent]))
        return None

    def _is_offered(self, url: str) -> bool:
        """Whether the snapshot service has ``url``; it is given up at its first failure.

        Many packages may be asked for: waiting for a service that is not there, for
        each of them and several times, would take longer than the whole build.
        """
        with self._asking:
            if self._down:
                return False
            try:
                self.fetcher.open(url).close()
            except NotFound:
                return False
            except TransientFailure as failure:
                self._down = f"the snapshot service cannot be reached: {failure}"
                return False
        return True

    def _opened(self, url: str) -> ResumingStream:
        fetcher = self.fetcher
        if url.startswith("file:"):
            fetcher = DirectoryFetcher(url.rpartition("/")[0])
        return ResumingStream(fetcher, url, self.clock)


def _received(stream: ResumingStream, package: LockedPackage, url: str) -> bytes:
    content = bytearray()
    digest = hashlib.sha256()
    # One byte more than promised is asked for, so that a longer file is noticed.
    while len(content) <= package.size:
        piece = stream.read(min(_PIECE, package.size + 1 - len(content)))
        if not piece:
            break
        content += piece
        digest.update(piece)
    if len(content) != package.size or digest.hexdigest() != package.sha256:
        if package.archive == LOCAL:
            raise InvalidInput(f"{shown(url)}: not the file of the lock", hint=_CHANGED)
        raise UntrustedData(
            f"{shown(url)}: not the {package.size} bytes with sha256 {package.sha256} of the lock",
            hint="the mirror is damaged or lies; choose another one",
        )
    return bytes(content)
