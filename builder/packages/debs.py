"""Fetch locked .deb files into the cache, several at a time.

A file enters the cache under its SHA-256, after its bytes were checked, by a
rename: what is in the cache is whole, and an interrupted run keeps every file
it finished. Mirrors are not trusted and may be anything.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from builder.packages.lock import LockedPackage
from builder.packages.mirrors import MAIN_VARIABLE, Mirrors
from hostio.net.fetch import Fetcher, NotFound, ResumingStream, shown
from hostio.system.clock import Clock
from osmodel.faults import InvalidInput, UntrustedData

_AT_ONCE = 6  # connections; mirrors frown on more
_PIECE = 1 << 20  # bytes

Seen = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class DebCache:
    """The .deb files of this host, by content.

    Attributes:
        directory: one file per package, named by its SHA-256.
        mirrors: where missing ones come from.
        fetcher: reads the mirrors; must allow several threads.
        clock: waits between attempts.
        refresh: the command that makes a lock of what the archive holds today.
    """

    directory: Path
    mirrors: Callable[[], Mirrors]
    fetcher: Fetcher
    clock: Clock
    refresh: str = "build-image lock"

    def path(self, package: LockedPackage) -> Path:
        """Where the file is, once it was fetched."""
        return self.directory / package.sha256

    def fetch(
        self, packages: Iterable[LockedPackage], seen: Seen = lambda _done, _total: None
    ) -> Mapping[LockedPackage, Path]:
        """Make sure that every package is in the cache.

        Args:
            packages: what is needed.
            seen: told the bytes fetched so far and the bytes to fetch.

        Raises:
            InvalidInput: the archive has no such file any more.
            UntrustedData: a mirror sent other bytes than the lock names.
            TransientFailure: a mirror is down, five times in a row.
        """
        wanted = tuple(packages)
        self.directory.mkdir(parents=True, exist_ok=True)
        missing = {item.sha256: item for item in wanted if not self._has(item)}
        if missing:
            self._fetch_missing(tuple(missing.values()), self.mirrors(), seen)
        return {item: self.path(item) for item in wanted}

    def _has(self, package: LockedPackage) -> bool:
        path = self.path(package)
        try:
            os.utime(path)  # the cache is pruned by age of use
        except FileNotFoundError:
            return False
        return path.stat().st_size == package.size

    def _fetch_missing(
        self, missing: tuple[LockedPackage, ...], mirrors: Mirrors, seen: Seen
    ) -> None:
        total = sum(item.size for item in missing)
        done = 0
        # Big files first, so that none is left alone at the end.
        order = sorted(missing, key=lambda item: -item.size)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            running = {pool.submit(self._fetch_one, item, mirrors): item for item in order}
            try:
                for finished in as_completed(running):
                    finished.result()
                    done += running[finished].size
                    seen(done, total)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _fetch_one(self, package: LockedPackage, mirrors: Mirrors) -> None:
        url = f"{mirrors.address(package.archive)}/{package.path}"
        try:
            with ResumingStream(self.fetcher, url, self.clock) as stream:
                content = _received(stream, package, url)
        except NotFound as error:
            raise InvalidInput(
                f"{package.name} {package.version} is gone from the archive: {shown(url)}",
                hint=f"run `{self.refresh}`, or set {MAIN_VARIABLE} to a snapshot mirror",
            ) from error
        beside = self.directory / f".{package.sha256}.{os.getpid()}"
        beside.write_bytes(content)
        beside.replace(self.path(package))


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
        raise UntrustedData(
            f"{shown(url)}: not the {package.size} bytes with sha256 {package.sha256} of the lock",
            hint="the mirror is damaged or lies; choose another one",
        )
    return bytes(content)
