"""The packages of a build: those of the committed lock, or what replaces them.

Debian's mirrors drop superseded versions, and the snapshot service is not always
there. A build that may use newer packages then mends the lock: what is gone is
solved anew, with what must change with it. The mended lock goes where the caller
wants it and is used until the committed lock changes; that one is never written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from builder.packages import debs, lockfile
from builder.packages.debs import DebCache, Gathered, Seen
from builder.packages.lock import SNAPSHOT_TIME, Lock, LockedPackage
from builder.packages.solving import PackageRequest, Solver
from builder.world import BuildWorld
from hostio.files.durable import replace_file
from hostio.files.lock import locked_in_turn
from osmodel.faults import InvalidInput

Tell = Callable[[str], None]
"""Told one line for the user."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One committed lock, and what it is for.

    Attributes:
        name: of what is locked, for mended locks.
        lock: the file.
        request: what it was solved for.
        refresh: the command that makes it anew, for hints.
        archives: addresses of archives beside Debian's, by name.
    """

    name: str
    lock: Path
    request: PackageRequest
    refresh: str
    archives: Mapping[str, str]

    def committed(self) -> Lock:
        """The lock as it was committed.

        Raises:
            InvalidInput: missing, malformed, or for another list of packages.
        """
        found = lockfile.load(self.lock, refresh=self.refresh)
        lockfile.check_current(
            found,
            self.request.wanted,
            source=self.lock,
            refresh=self.refresh,
            sections=self.request.sections,
        )
        return found


def known(wanted: Wanted, world: BuildWorld) -> Lock:
    """The lock that :func:`obtained` would use, as far as that is known without asking.

    Raises:
        InvalidInput: the committed lock cannot be used.
    """
    committed = wanted.committed()
    if world.newer_locks is None or world.debs(wanted.archives).holds(committed.everything):
        return committed
    return _mended(wanted, committed, world.newer_locks) or committed


def obtained(
    wanted: Wanted,
    world: BuildWorld,
    tell: Tell,
    seen: Seen = lambda _done, _total: None,
) -> Lock:
    """The lock to use, with all of its packages in the cache.

    Args:
        wanted: what is needed.
        world: ports.
        tell: told which packages differ from those of the committed lock.
        seen: told the bytes fetched so far and the bytes to fetch.

    Raises:
        InvalidInput: a package is gone, and newer ones are not allowed.
        UntrustedData: a mirror sent other bytes than the lock names.
        TransientFailure: a mirror is down.
        HostFailure: no space left.
    """
    lock, cache = known(wanted, world), world.debs(wanted.archives)
    gathered = cache.gather(lock.everything, lock.snapshot, seen)
    if gathered.recovered:
        tell(f"{wanted.name}: {_names(gathered.recovered)} from the snapshot service")
    if not gathered.gone:
        return lock
    if world.newer_locks is None:
        debs.check(gathered)
    return _renewed(wanted, world, tell, seen)


def _renewed(wanted: Wanted, world: BuildWorld, tell: Tell, seen: Seen) -> Lock:
    """A mended lock whose packages are all there."""
    assert world.newer_locks is not None, "newer packages are allowed"
    cache, committed = world.debs(wanted.archives), wanted.committed()
    place = _place(wanted, world.newer_locks)
    # Another build may be mending the same lock: both use one.
    with locked_in_turn(place.with_name(f".{place.name}.lock")):
        mended = _mended(wanted, committed, world.newer_locks)
        if mended is not None and not cache.gather(mended.everything, mended.snapshot, seen).gone:
            return mended
        gathered = cache.gather(committed.everything, committed.snapshot, seen)
        try:
            lock = _mend(wanted, world, cache, committed, gathered)
        except InvalidInput as error:
            names = _names(gathered.gone)
            told = f"gone from the archive: {names}, and nothing replaces them: {error}"
            raise InvalidInput(
                f"{wanted.lock}: {told}",
                hint=error.hint or f"run: {wanted.refresh}",
            ) from error
        replace_file(place, lockfile.to_text(lock).encode())
    told = ", ".join(changes(committed, lock))
    tell(f"{wanted.lock}: taken instead of packages that are gone: {told}; see {place}")
    debs.check(cache.gather(lock.everything, lock.snapshot, seen))
    return lock


def _mend(
    wanted: Wanted, world: BuildWorld, cache: DebCache, committed: Lock, gathered: Gathered
) -> Lock:
    gone = set(gathered.gone)
    files = {item: cache.path(item) for item in committed.everything if item not in gone}
    with scratch() as directory:
        solver = solver_of(world, wanted, directory)
        lock = solver.mend(wanted.request, committed, gone, files)
    return replace(lock, instead_of=lockfile.digest(committed))


def solver_of(world: BuildWorld, wanted: Wanted, directory: Path) -> Solver:
    """The solver of this host, with scratch space in ``directory``."""
    return Solver(
        world.mirrors(wanted.archives),
        world.runner,
        directory,
        world.clock.now().strftime(SNAPSHOT_TIME),
        world.keyring,
        world.proxies(),
    )


@contextmanager
def scratch() -> Iterator[Path]:
    """Scratch space whose path has no blanks, which apt could not read."""
    place = tempfile.gettempdir()
    if any(letter.isspace() for letter in place):
        place = "/var/tmp"  # noqa: S108 - made with a name of its own
    with tempfile.TemporaryDirectory(prefix="twinkeel-lock-", dir=place) as name:
        yield Path(name)


def _mended(wanted: Wanted, committed: Lock, directory: Path) -> Lock | None:
    """A lock that was mended before, if it still stands in for the committed one."""
    place = _place(wanted, directory)
    if not place.is_file():
        return None
    try:
        found = lockfile.load(place, refresh=wanted.refresh)
    except InvalidInput:
        return None  # of an earlier format, or damaged: made again
    return found if found.instead_of == lockfile.digest(committed) else None


def _place(wanted: Wanted, directory: Path) -> Path:
    return directory / f"{wanted.name}.lock"


def changes(before: Lock | None, after: Lock) -> tuple[str, ...]:
    """For each package that came, went or changed: its name, and both versions."""
    old = _by_name(before.everything if before else ())
    new = _by_name(after.everything)
    return tuple(
        f"{name} {_versions(old.get(name, ()))} -> {_versions(new.get(name, ()))}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def _versions(packages: tuple[LockedPackage, ...]) -> str:
    return " and ".join(item.version for item in packages) or "none"


def _by_name(packages: tuple[LockedPackage, ...]) -> dict[str, tuple[LockedPackage, ...]]:
    # The loader and the stub come from two versions of one package.
    found: dict[str, tuple[LockedPackage, ...]] = {}
    for item in packages:
        found[item.name] = (*found.get(item.name, ()), item)
    return found


def _names(packages: tuple[LockedPackage, ...]) -> str:
    return ", ".join(f"{item.name} {item.version}" for item in packages)
