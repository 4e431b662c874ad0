"""The host's apt, in a directory of its own: it never touches the host.

It believes what it is told about installed packages, and checks each archive's
signatures with that archive's keyring alone.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote

from builder.packages.lock import LockedPackage
from builder.packages.proxies import DIRECT, Proxies
from hostio.system.runner import Command, ProgramFailure, Runner
from osmodel.faults import HostFailure, InvalidInput

_ROW = re.compile(r"'(?P<url>[^']+)' (?P<file>\S+) (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})")
_UNKNOWN = re.compile(r"Unable to locate package (\S+)|Package '?(\S+?)'? has no installation")
_UNMET = re.compile(
    r"The following packages have unmet dependencies:\n(?P<rows>(?: .*\n?)+)", re.MULTILINE
)
_PINNED = 1001  # above every other version, newer or not
_NEVER = -1
_SHOWN = 5  # conflicts named in one message


@dataclass(frozen=True, slots=True)
class AptSource:
    """One archive with its packages.

    Attributes:
        archive: its name in locks.
        url: address, without a slash at the end.
        suites: distributions in it.
        components: parts of each; none where the index lies at the address itself.
        keyring: who signs it; ``None`` for files of our own.
        expires: whether an index that is too old is refused.
    """

    archive: str
    url: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    keyring: Path | None
    expires: bool = True

    def lines(self, keyring: Path | None) -> list[str]:
        """The lines for apt.

        Args:
            keyring: a copy whose path has no blanks, which apt could not read.
        """
        options = f"signed-by={keyring}" if keyring else "trusted=yes"
        if not self.expires:
            options += " check-valid-until=no"
        tail = " ".join(self.components)
        return [f"deb [{options}] {self.url} {suite} {tail}".rstrip() for suite in self.suites]


@dataclass(frozen=True, slots=True)
class Apt:
    """apt with some archives and nothing installed.

    Attributes:
        runner: runs apt-get.
        directory: scratch space of its own; its path has no blanks.
        architecture: Debian's name.
        sources: where packages come from.
        proxies: how the sources are reached.
        known: packages of a lock, which keep their archive and path there.
    """

    runner: Runner
    directory: Path
    architecture: str
    sources: Sequence[AptSource]
    proxies: Proxies = DIRECT
    known: Sequence[LockedPackage] = ()

    def prepare(self) -> None:
        """Write the configuration and fetch the indexes.

        Raises:
            HostFailure: no apt, no archive, or a bad signature.
        """
        for name in ("preferences.d", "apt.conf.d", "sources.list.d", "keys"):
            (self.directory / "etc/apt" / name).mkdir(parents=True, exist_ok=True)
        for name in ("lists/partial", "archives/partial"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        lines = [line for source in self.sources for line in source.lines(self._key_of(source))]
        (self.directory / "etc/apt/sources.list").write_text("\n".join(lines) + "\n")
        (self.directory / "apt.conf").write_text(self._configuration())
        self._set_installed("")
        self._run("apt-get", "update", "--error-on=any")

    def pin(self, taken: Iterable[LockedPackage], never: Iterable[LockedPackage]) -> None:
        """From now on take some versions and no others of their packages, and some never."""
        rows = [*((item, _PINNED) for item in taken), *((item, _NEVER) for item in never)]
        stanzas = [
            f"Package: {item.name}\nPin: version {item.version}\nPin-Priority: {priority}\n"
            for item, priority in rows
        ]
        (self.directory / "etc/apt/preferences").write_text("\n".join(stanzas))

    def solution(self, names: Sequence[str], *, installed: str = "") -> tuple[LockedPackage, ...]:
        """Everything that installing ``names`` onto ``installed`` would fetch.

        Raises:
            InvalidInput: a package does not exist, or some exclude each other.
            HostFailure: apt failed in another way.
        """
        self._set_installed(installed)
        try:
            answer = self._run("apt-get", "install", "--yes", "--print-uris", *names)
        except ProgramFailure as failure:
            raise _explained(failure) or failure from failure
        return self._parse(answer)

    def upgrades(self, installed: Iterable[LockedPackage]) -> tuple[LockedPackage, ...]:
        """What an upgrade of these packages would fetch; dependencies are not looked at."""
        stanzas = [
            f"Package: {item.name}\nStatus: install ok installed\nVersion: {item.version}\n"
            f"Architecture: {item.architecture}\nMaintainer: none\nDescription: locked\n"
            for item in installed
        ]
        self._set_installed("\n".join(stanzas))
        return self._parse(self._run("apt-get", "dist-upgrade", "--yes", "--print-uris"))

    def download(self, name: str) -> LockedPackage:
        """One package alone, without what it depends on.

        Raises:
            InvalidInput: no such package.
        """
        try:
            answer = self._run("apt-get", "download", "--print-uris", name)
        except ProgramFailure as failure:
            raise _explained(failure) or failure from failure
        (found,) = self._parse(answer)
        return found

    def newest_index(self) -> int:
        """Date of the newest index, in seconds since 1970.

        Raises:
            HostFailure: no index has a date.
        """
        dates = []
        for path in sorted((self.directory / "lists").glob("*InRelease")):
            found = re.search(r"^Date: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            if found:
                dates.append(int(parsedate_to_datetime(found[1]).timestamp()))
        if not dates:
            raise HostFailure("no index of the archive has a date")
        return max(dates)

    def _key_of(self, source: AptSource) -> Path | None:
        if source.keyring is None:
            return None
        copy = self.directory / "etc/apt/keys" / f"{source.archive}{source.keyring.suffix}"
        try:
            shutil.copyfile(source.keyring, copy)
        except OSError as error:
            raise HostFailure(f"{source.keyring}: {error.strerror}") from error
        return copy

    def _configuration(self) -> str:
        proxies = [f'{name} "{value}";' for name, value in self.proxies.settings.items()]
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
                *proxies,
                "",
            ]
        )

    def _set_installed(self, status: str) -> None:
        (self.directory / "status").write_text(status)

    def _run(self, *argv: str) -> bytes:
        configuration = {"APT_CONFIG": str(self.directory / "apt.conf")}
        variables = {**self.proxies.variables, **configuration}
        return self.runner.run(Command(argv, env=variables, cwd=self.directory))

    def _parse(self, answer: bytes) -> tuple[LockedPackage, ...]:
        rows = (_ROW.match(line) for line in answer.decode().splitlines())
        return by_name(self._package(row) for row in rows if row is not None)

    def _package(self, row: re.Match[str]) -> LockedPackage:
        for item in self.known:
            if item.sha256 == row["sha256"]:
                return item
        url = unquote(row["url"])
        # The longest address: one archive may lie below another.
        fitting = [source for source in self.sources if url.startswith(f"{unquote(source.url)}/")]
        if not fitting:
            raise HostFailure(f"apt names a file of no archive: {url}")
        source = max(fitting, key=lambda one: len(one.url))
        name, version, architecture = row["file"].removesuffix(".deb").split("_")
        return LockedPackage(
            name=name,
            version=unquote(version),
            architecture=architecture,
            size=int(row["size"]),
            sha256=row["sha256"],
            archive=source.archive,
            path=url[len(unquote(source.url)) :].lstrip("/").removeprefix("./"),
        )


def by_name(packages: Iterable[LockedPackage]) -> tuple[LockedPackage, ...]:
    """Packages in the order of a lock."""
    return tuple(sorted(packages, key=lambda package: (package.name, package.architecture)))


def _explained(failure: ProgramFailure) -> InvalidInput | None:
    """What apt found wrong with the names it was given, if that is what failed."""
    unknown = _UNKNOWN.search(failure.printed)
    if unknown is not None:
        return InvalidInput(f"no package {unknown[1] or unknown[2]!r} in the archive")
    unmet = _UNMET.search(failure.printed)
    if unmet is None:
        return None
    rows = [" ".join(row.split()) for row in unmet["rows"].splitlines() if row.strip()]
    more = f"; and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return InvalidInput(
        f"packages cannot be installed together: {'; '.join(rows[:_SHOWN])}{more}",
        hint="take one of them out of packages.include",
    )
