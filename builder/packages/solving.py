"""Ask apt which packages a list of names needs, without touching the host.

apt runs in a directory of its own, believes that nothing is installed and
checks the archive's signatures with Debian's keyring. Security updates are part
of the suite, so a lock is as fresh as the moment it is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote

from builder.packages.lock import FORMAT, Archive, Lock, LockedPackage
from builder.packages.mirrors import Mirrors
from hostio.system.runner import Command, Runner
from osmodel.faults import HostFailure, InvalidInput

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_LATER_SUITE = "forky"  # the first with a loader that resets on an unloadable kernel image
_BOOT_PACKAGE = "systemd-boot-efi"  # holds the loader and the stub of kernel images
_LOADER_OLDEST = 258
_ROW = re.compile(r"'(?P<url>[^']+)' (?P<file>\S+) (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})")
# The kernel package wants an initramfs generator; the builder makes the initrd
# itself, so apt is told that one is there.
_NO_GENERATOR = """Package: no-initramfs-generator
Status: install ok installed
Architecture: all
Version: 1
Maintainer: nobody
Provides: linux-initramfs-tool
Description: stands in for an initramfs generator
"""


@dataclass(frozen=True, slots=True)
class Request:
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
    """

    architecture: str
    packages: tuple[str, ...]
    kernel: str = ""
    loader: bool = False
    stub: bool = False
    firmware: tuple[str, ...] = ()
    later_firmware: tuple[str, ...] = ()
    suite: str = "trixie"

    @property
    def wanted(self) -> tuple[str, ...]:
        """The names a lock is checked against, sorted."""
        unpacked = (*filter(None, [self.kernel]), *self.firmware, *self.later_firmware)
        return tuple(sorted({*self.packages, *unpacked}))

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


def solve(request: Request, mirrors: Mirrors, runner: Runner, directory: Path) -> Lock:
    """Make a lock from the archive as it is now.

    Args:
        request: names wanted.
        mirrors: where the archive is read.
        runner: runs the host's apt.
        directory: scratch space of this call.

    Raises:
        InvalidInput: a package does not exist or cannot be installed.
        HostFailure: no apt, no archive, bad signature.
    """
    apt = _Apt(runner, directory / request.suite, request.architecture, mirrors)
    apt.prepare(request.suite, with_security=True)
    packages = apt.solution(["?essential", *request.packages])
    kernel: tuple[LockedPackage, ...] = ()
    if request.kernel:
        found = apt.solution([request.kernel], installed=_NO_GENERATOR)
        kernel = tuple(item for item in found if item.name.startswith("linux-image-"))
        packages = tuple(item for item in packages if item not in kernel)
    later = _later(request, mirrors, runner, directory)
    return Lock(
        format=FORMAT,
        suite=request.suite,
        architecture=request.architecture,
        epoch=apt.newest_index(),
        wanted=request.wanted,
        packages=packages,
        kernel=kernel,
        loader=tuple(_checked_loader(apt) for apt in later if request.loader),
        stub=(apt.download(_BOOT_PACKAGE),) if request.stub else (),
        firmware=_sorted(
            [
                *(apt.download(name) for name in request.firmware),
                *(apt.download(name) for apt in later for name in request.later_firmware),
            ]
        ),
    )


def _later(request: Request, mirrors: Mirrors, runner: Runner, directory: Path) -> tuple[_Apt, ...]:
    """The later suite, if anything is wanted from it."""
    if not request.loader and not request.later_firmware:
        return ()
    apt = _Apt(runner, directory / _LATER_SUITE, request.architecture, mirrors)
    apt.prepare(_LATER_SUITE, with_security=False)
    return (apt,)


def _checked_loader(apt: _Apt) -> LockedPackage:
    found = apt.download(_BOOT_PACKAGE)
    major = int(re.split(r"\D", found.version, maxsplit=1)[0])
    if major < _LOADER_OLDEST:
        raise InvalidInput(
            f"{_BOOT_PACKAGE} {found.version} of {_LATER_SUITE} is older than {_LOADER_OLDEST}",
            hint="an older loader stops in the firmware at an unloadable kernel image",
        )
    return found


@dataclass(frozen=True, slots=True)
class _Apt:
    """The host's apt in a directory of its own."""

    runner: Runner
    directory: Path
    architecture: str
    mirrors: Mirrors

    def prepare(self, suite: str, *, with_security: bool) -> None:
        """Write the configuration and fetch the indexes."""
        for name in ("preferences.d", "apt.conf.d", "sources.list.d"):
            (self.directory / "etc/apt" / name).mkdir(parents=True, exist_ok=True)
        for name in ("lists/partial", "archives/partial"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        options = f"signed-by={KEYRING}"
        sources = [(self.mirrors.main, suite)]
        if with_security:
            sources.append((self.mirrors.main, f"{suite}-updates"))
            sources.append((self.mirrors.security, f"{suite}-security"))
        else:
            # A testing suite is signed for a week at a time, which a snapshot
            # mirror outlives; the version is checked and locked instead.
            options += " check-valid-until=no"
        # The second is where Debian keeps what boards and devices must be fed.
        parts = "main non-free-firmware" if not with_security else "main"
        lines = [f"deb [{options}] {url} {name} {parts}" for url, name in sources]
        (self.directory / "etc/apt/sources.list").write_text("\n".join(lines) + "\n")
        (self.directory / "apt.conf").write_text(self._configuration())
        self._set_installed("")
        self._run("apt-get", "update", "--error-on=any")

    def solution(self, names: Sequence[str], *, installed: str = "") -> tuple[LockedPackage, ...]:
        """Everything that installing ``names`` onto ``installed`` would fetch."""
        self._set_installed(installed)
        try:
            answer = self._run("apt-get", "install", "--yes", "--print-uris", *names)
        except HostFailure as error:
            unknown = re.search(r"Unable to locate package (\S+)", str(error))
            if unknown is None:
                raise
            raise InvalidInput(f"no package {unknown[1]!r} in the archive") from error
        return self._parse(answer)

    def download(self, name: str) -> LockedPackage:
        """One package alone, without what it depends on."""
        (found,) = self._parse(self._run("apt-get", "download", "--print-uris", name))
        return found

    def newest_index(self) -> int:
        """Date of the newest index, in seconds since 1970."""
        dates = []
        for path in sorted((self.directory / "lists").glob("*InRelease")):
            found = re.search(r"^Date: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            if found:
                dates.append(int(parsedate_to_datetime(found[1]).timestamp()))
        return max(dates)

    def _configuration(self) -> str:
        return "\n".join(
            [
                f'Dir "{self.directory}";',
                'Dir::Etc "etc/apt";',
                'Dir::State "";',
                'Dir::State::lists "lists";',
                'Dir::State::status "status";',
                'Dir::Cache "";',
                'Dir::Cache::archives "archives";',
                f'APT::Architecture "{self.architecture}";',
                f'APT::Architectures {{"{self.architecture}";}};',
                'APT::Install-Recommends "false";',
                'APT::Sandbox::User "root";',
                'Acquire::Languages "none";',
                'Acquire::ForceHash "SHA256";',
                'Acquire::Retries "3";',
                "",
            ]
        )

    def _set_installed(self, status: str) -> None:
        (self.directory / "status").write_text(status)

    def _run(self, *argv: str) -> bytes:
        variables = {"APT_CONFIG": str(self.directory / "apt.conf")}
        return self.runner.run(Command(argv, env=variables, cwd=self.directory))

    def _parse(self, answer: bytes) -> tuple[LockedPackage, ...]:
        rows = (_ROW.match(line) for line in answer.decode().splitlines())
        return _sorted(self._package(row) for row in rows if row is not None)

    def _package(self, row: re.Match[str]) -> LockedPackage:
        url = unquote(row["url"])
        archive = Archive.SECURITY if url.startswith(self.mirrors.security) else Archive.MAIN
        name, version, architecture = row["file"].removesuffix(".deb").split("_")
        return LockedPackage(
            name=name,
            version=unquote(version),
            architecture=architecture,
            size=int(row["size"]),
            sha256=row["sha256"],
            archive=archive,
            path=url[len(self.mirrors.address(archive)) :].lstrip("/"),
        )


def _sorted(packages: Iterable[LockedPackage]) -> tuple[LockedPackage, ...]:
    return tuple(sorted(packages, key=lambda package: (package.name, package.architecture)))
