"""Find the packages that a list of names needs, as the archive is now.

Nothing is installed as far as apt knows, and security updates are part of the
suite, so a lock is as fresh as the moment it is made. A lock can also be mended:
what the archive still has stays, and only what it lacks is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path

from builder.packages import control, localrepo
from builder.packages.apt import Apt, AptSource, by_name
from builder.packages.lock import FORMAT, LOCAL, Archive, Lock, LockedPackage
from builder.packages.mirrors import Mirrors
from builder.packages.proxies import DIRECT, Proxies
from hostio.system.runner import Runner
from osmodel.faults import InvalidInput

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_LATER_SUITE = "forky"  # the first with a loader that resets on an unloadable kernel image
_LATER_COMPONENTS = ("main", "non-free-firmware")  # the second has what boards must be fed
_BOOT_PACKAGE = "systemd-boot-efi"  # holds the loader and the stub of kernel images
_LOADER_OLDEST = 258
_LOCKED = "locked"  # the archive of a lock's own files, while it is mended
# The kernel package wants an initramfs generator; the builder makes the initrd
# itself, so apt is told that one is there.
_NO_GENERATOR = """Package: no-initramfs-generator
Status: install ok installed
Architecture: all
Version: 1
Maintainer: none
Provides: linux-initramfs-tool
Description: in the place of an initramfs generator
"""


@dataclass(frozen=True, slots=True)
class PackageRequest:
    """What a lock is solved for.

    Attributes:
        architecture: Debian's name.
        packages: names to install, beside the essential ones.
        kernel: the kernel's package, or nothing.
        loader: whether the boot loader of the later suite is wanted.
        stub: whether the stub of kernel images is wanted.
        firmware: packages that are only unpacked.
        later_firmware: as ``firmware``, of the later suite.
        suite: Debian suite.
        excluded: names that may not be in the solution.
        components: of Debian's archives, beside ``main``.
        sources: archives beside Debian's.
        files: .deb files to install.
        base: directory that the paths of these in a lock are relative to.
    """

    architecture: str
    packages: tuple[str, ...]
    kernel: str = ""
    loader: bool = False
    stub: bool = False
    firmware: tuple[str, ...] = ()
    later_firmware: tuple[str, ...] = ()
    suite: str = "trixie"
    excluded: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    sources: tuple[AptSource, ...] = ()
    files: tuple[Path, ...] = ()
    base: Path = Path("/")

    @property
    def wanted(self) -> tuple[str, ...]:
        """What a lock is checked against, sorted."""
        unpacked = (*filter(None, [self.kernel]), *self.firmware, *self.later_firmware)
        places = [
            *(f"component:{name}" for name in self.components),
            *(f"source:{one.archive}" for one in self.sources),
            *(f"file:{path.name}" for path in self.files),
            *(f"without:{name}" for name in self.excluded),
        ]
        return tuple(sorted({*self.packages, *unpacked, *places}))

    @property
    def sections(self) -> tuple[str, ...]:
        """The parts of a lock that are filled."""
        optional = {
            "kernel": self.kernel,
            "loader": self.loader,
            "stub": self.stub,
            "firmware": self.firmware or self.later_firmware,
        }
        return ("packages", *(name for name, wanted in optional.items() if wanted))


@dataclass(frozen=True, slots=True)
class Solver:
    """Solves requests on this host.

    Attributes:
        mirrors: where the archives are read.
        runner: runs the host's apt and dpkg-deb.
        directory: empty scratch space; its path has no blanks.
        now: for the snapshot service, as locks write it.
        keyring: who signs Debian's archives.
        proxies: how the archives are reached.
    """

    mirrors: Mirrors
    runner: Runner
    directory: Path
    now: str
    keyring: Path = KEYRING
    proxies: Proxies = DIRECT

    def solve(self, request: PackageRequest) -> Lock:
        """Make a lock from the archives as they are now.

        Raises:
            InvalidInput: a package does not exist or cannot be installed.
            HostFailure: no apt, no archive, bad signature.
        """
        local = control.local_packages(request.files, request.base, self.runner)
        apt = self._suite(request, local)
        packages, kernel = _installed(apt, request, [item.name for item in local])
        later = self._later(request) if request.loader or request.later_firmware else apt
        firmware = [
            *(apt.download(name) for name in request.firmware),
            *(later.download(name) for name in request.later_firmware),
        ]
        return Lock(
            format=FORMAT,
            suite=request.suite,
            architecture=request.architecture,
            epoch=apt.newest_index(),
            wanted=request.wanted,
            packages=packages,
            kernel=kernel,
            loader=(_loader(later),) if request.loader else (),
            stub=(apt.download(_BOOT_PACKAGE),) if request.stub else (),
            firmware=by_name(firmware),
            snapshot=self.now,
        )

    def mend(
        self,
        request: PackageRequest,
        lock: Lock,
        gone: Iterable[LockedPackage],
        files: Mapping[LockedPackage, Path],
    ) -> Lock:
        """A lock like ``lock``, without the packages that are gone.

        Everything else keeps its version, except for what must change with them. Its
        epoch stays as well: a change of it would change every bit of an image.

        Args:
            request: what the lock was solved for.
            lock: as it was.
            gone: packages in it that are not to be had any more.
            files: the .deb file of every other package.

        Raises:
            InvalidInput: a package has no successor.
            HostFailure: no apt, no archive, bad signature.
        """
        lost = set(gone)
        installed = lost & {*lock.packages, *lock.kernel}
        if installed:
            kept = {i: files[i] for i in (*lock.packages, *lock.kernel) if i not in lost}
            apt = self._suite(request, kept, archive=_LOCKED)
            packages, kernel = self._replaced(apt, request, kept, installed)
            lock = replace(lock, packages=packages, kernel=kernel)
        if lost & {*lock.stub, *lock.firmware}:
            lock = self._unpacked_again(request, lock, lost)
        if lost & {*lock.loader, *lock.firmware}:
            lock = self._later_again(request, lock, lost)
        return replace(lock, snapshot=self.now)

    def _unpacked_again(
        self, request: PackageRequest, lock: Lock, lost: AbstractSet[LockedPackage]
    ) -> Lock:
        apt = self._suite(request, {}, archive="unpacked")
        names = set(request.firmware)
        return replace(
            lock,
            stub=(apt.download(_BOOT_PACKAGE),) if lost & set(lock.stub) else lock.stub,
            firmware=_again(lock.firmware, lost, names, apt),
        )

    def _later_again(
        self, request: PackageRequest, lock: Lock, lost: AbstractSet[LockedPackage]
    ) -> Lock:
        apt = self._later(request)
        names = set(request.later_firmware)
        return replace(
            lock,
            loader=(_loader(apt),) if lost & set(lock.loader) else lock.loader,
            firmware=_again(lock.firmware, lost, names, apt),
        )

    def security_updates(self, request: PackageRequest, lock: Lock) -> tuple[LockedPackage, ...]:
        """Newer versions of locked packages that are security updates.

        Raises:
            HostFailure: no apt, no archive, bad signature.
        """
        installed = {item.name: item for item in (*lock.packages, *lock.kernel)}
        found = self._suite(request, {}).upgrades(installed.values())
        return tuple(
            item for item in found if item.archive == Archive.SECURITY and item.name in installed
        )

    def _replaced(
        self,
        apt: Apt,
        request: PackageRequest,
        kept: Mapping[LockedPackage, Path],
        lost: AbstractSet[LockedPackage],
    ) -> tuple[tuple[LockedPackage, ...], tuple[LockedPackage, ...]]:
        local = [item.name for item in kept if item.archive == LOCAL]
        conflict: InvalidInput | None = None
        for free in control.widening(lost, kept, self.runner):
            # An index may still list what its mirror has dropped.
            apt.pin((item for item in kept if item.name not in free), never=lost)
            try:
                return _installed(apt, request, local)
            except InvalidInput as error:
                conflict = error
        assert conflict is not None, "there is always one attempt"
        raise conflict

    def _suite(
        self, request: PackageRequest, files: Mapping[LockedPackage, Path], *, archive: str = LOCAL
    ) -> Apt:
        """Apt with the suite, and with ``files`` as an archive of their own."""
        place = self.directory / f"{request.suite}-{archive}"
        place.mkdir()
        parts = ("main", *request.components)
        main = (request.suite, f"{request.suite}-updates")
        sources = [
            AptSource(Archive.MAIN, self.mirrors.main, main, parts, self.keyring),
            AptSource(
                Archive.SECURITY,
                self.mirrors.security,
                (f"{request.suite}-security",),
                parts,
                self.keyring,
            ),
            *request.sources,
        ]
        if files:
            flat = place / "files"
            flat.mkdir()
            localrepo.write_index(flat, archive, files, self.runner)
            sources.append(AptSource(archive, localrepo.address(flat), ("./",), (), None))
        apt = Apt(self.runner, place, request.architecture, sources, self.proxies, tuple(files))
        apt.prepare()
        return apt

    def _later(self, request: PackageRequest) -> Apt:
        place = self.directory / _LATER_SUITE
        place.mkdir()
        source = AptSource(
            Archive.MAIN,
            self.mirrors.main,
            (_LATER_SUITE,),
            _LATER_COMPONENTS,
            self.keyring,
            # A testing suite is signed for a week at a time, which a snapshot
            # mirror outlives; the version is checked and locked instead.
            expires=False,
        )
        apt = Apt(self.runner, place, request.architecture, [source], self.proxies)
        apt.prepare()
        return apt


def _installed(
    apt: Apt, request: PackageRequest, local: Sequence[str]
) -> tuple[tuple[LockedPackage, ...], tuple[LockedPackage, ...]]:
    """The packages to install, and those of the kernel."""
    packages = apt.solution(["?essential", *request.packages, *local])
    unwanted = sorted({item.name for item in packages} & set(request.excluded))
    if unwanted:
        raise InvalidInput(
            f"packages.exclude: {unwanted[0]!r} is needed by a package that is included"
        )
    if not request.kernel:
        return packages, ()
    found = apt.solution([request.kernel], installed=_NO_GENERATOR)
    kernel = tuple(item for item in found if item.name.startswith("linux-image-"))
    return tuple(item for item in packages if item not in kernel), kernel


def _again(
    packages: Sequence[LockedPackage],
    lost: AbstractSet[LockedPackage],
    names: AbstractSet[str],
    apt: Apt,
) -> tuple[LockedPackage, ...]:
    """Packages in which the lost ones among ``names`` are replaced."""
    return by_name(
        apt.download(item.name) if item in lost and item.name in names else item
        for item in packages
    )


def _loader(apt: Apt) -> LockedPackage:
    found = apt.download(_BOOT_PACKAGE)
    major = int(re.split(r"\D", found.version, maxsplit=1)[0])
    if major < _LOADER_OLDEST:
        raise InvalidInput(
            f"{_BOOT_PACKAGE} {found.version} of {_LATER_SUITE} is older than {_LOADER_OLDEST}",
            hint="an older loader stops in the firmware at an unloadable kernel image",
        )
    return found
