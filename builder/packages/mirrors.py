"""Where Debian archives are fetched from on this host.

No mirror's address is part of the project: the operator names one, or the host's
own package manager already has one. A mirror is not trusted: every package is
checked against the lock, every index against the archive's keyring.

What a mirror dropped, Debian's snapshot service still has: all files of the
archive as they were at any time.

Source: snapshot.debian.org, "Usage"; apt-config(8), ``indextargets`` of apt-get(8).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from builder.packages.lock import SNAPSHOT_TIME, Archive, LockedPackage
from hostio.system.runner import Command, Runner
from osmodel.faults import HostFailure, InvalidInput

MAIN_VARIABLE = "TWINKEEL_MIRROR"
SECURITY_VARIABLE = "TWINKEEL_SECURITY_MIRROR"
SNAPSHOT_VARIABLE = "TWINKEEL_SNAPSHOT"
NO_SNAPSHOT = "none"
_SNAPSHOT = "https://snapshot.debian.org"
# The service takes pictures a few times a day. What was in the archive when a lock
# was made may be in the next one only.
_LATER = (timedelta(), timedelta(days=1))
_HINT = f"set {MAIN_VARIABLE} and {SECURITY_VARIABLE} to the addresses of Debian mirrors"
_ADDRESS = re.compile(r"(https?://[^\s'\"]+|file://?/[^\s'\"]*)")
_INDEX = re.compile(r"Debian\|(?P<label>\S+) (?P<site>\S+)")
_DEFAULT = re.compile(r"^\s*(?:default_mirror\s+|DEF_MIRROR=)\"?(https?://[^\s\"]+)", re.MULTILINE)
_DEBOOTSTRAP = (Path("/usr/share/debootstrap/scripts/trixie"), Path("/usr/sbin/debootstrap"))


@dataclass(frozen=True, slots=True)
class Mirrors:
    """Addresses of archives, without a slash at the end.

    Attributes:
        main: Debian's packages.
        security: its security updates.
        snapshot: Debian's snapshot service, or empty for none.
        others: further archives, by their names in locks.
    """

    main: str
    security: str
    snapshot: str = ""
    others: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for address in (self.main, self.security, *filter(None, [self.snapshot])):
            if not _ADDRESS.fullmatch(address):
                raise InvalidInput(f"not a mirror address: {address!r}", hint=_HINT)

    def address(self, archive: str) -> str:
        """The address of one archive.

        Raises:
            InvalidInput: no such archive is known.
        """
        known = {Archive.MAIN.value: self.main, Archive.SECURITY.value: self.security}
        address = {**self.others, **known}.get(archive)
        if address is None:
            raise InvalidInput(f"no address is known of archive {archive!r}")
        return address

    def url(self, package: LockedPackage) -> str:
        """Where a package lies.

        A plus sign is written as ``%2B``: object stores take it for a blank.
        """
        return f"{self.address(package.archive)}/{quote(package.path, safe='/~')}"

    def snapshot_urls(self, package: LockedPackage, time: str) -> tuple[str, ...]:
        """Where the snapshot service has a package, the likeliest first.

        Args:
            package: of one of Debian's archives; the service has no others.
            time: when the package was in the archive, as locks write it.
        """
        if not self.snapshot or not time or package.archive not in set(Archive):
            return ()
        taken = datetime.strptime(time, SNAPSHOT_TIME).replace(tzinfo=UTC)
        times = [(taken + later).strftime(SNAPSHOT_TIME) for later in _LATER]
        path = quote(package.path, safe="/~")
        return tuple(f"{self.snapshot}/archive/{package.archive}/{when}/{path}" for when in times)


def find(
    environment: Mapping[str, str], runner: Runner, *, debootstrap: Sequence[Path] = _DEBOOTSTRAP
) -> Mirrors:
    """The mirrors of this host.

    The environment wins; then the host's own apt, if it uses Debian's archives;
    then (Ubuntu) the address that the debootstrap package has for Debian.

    Args:
        environment: usually ``os.environ``.
        runner: asks apt.
        debootstrap: its script for the suite, and the program.

    Raises:
        InvalidInput: none of the three knows a mirror.
    """
    known = _from_apt(runner)
    main = environment.get(MAIN_VARIABLE) or known.get("Debian") or _from_debootstrap(debootstrap)
    if not main:
        raise InvalidInput("no Debian mirror is known on this host", hint=_HINT)
    main = main.rstrip("/")
    security = environment.get(SECURITY_VARIABLE) or known.get("Debian-Security")
    snapshot = environment.get(SNAPSHOT_VARIABLE) or _SNAPSHOT
    return Mirrors(
        main,
        # The two pools are siblings on every full mirror.
        (security or f"{main}-security").rstrip("/"),
        "" if snapshot == NO_SNAPSHOT else snapshot.rstrip("/"),
    )


def _from_apt(runner: Runner) -> Mapping[str, str]:
    command = Command(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL) $(SITE)"])
    try:
        lines = runner.run(command).decode().splitlines()
    except HostFailure:
        # A host whose apt is broken can still build from mirrors it is told.
        return {}
    rows = [_INDEX.fullmatch(line) for line in reversed(lines)]
    return {row["label"]: row["site"] for row in rows if row is not None}


def _from_debootstrap(places: Sequence[Path]) -> str:
    """The mirror that debootstrap would use for Debian: the suite's, else its own."""
    for place in places:
        try:
            text = place.read_text(encoding="utf-8")
        except OSError:
            continue
        found = _DEFAULT.search(text)
        if found:
            return found[1]
    return ""
