"""Where Debian archives are fetched from on this host.

No archive's address is part of the project: the operator names one, or the
host's own package manager already has one. A mirror is not trusted: every
package is checked against the lock, every index against the archive's keyring.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.packages.lock import Archive
from hostio.system.runner import Command, Runner
from osmodel.faults import HostFailure, InvalidInput

MAIN_VARIABLE = "TWINKEEL_MIRROR"
SECURITY_VARIABLE = "TWINKEEL_SECURITY_MIRROR"
_HINT = f"set {MAIN_VARIABLE} and {SECURITY_VARIABLE} to the addresses of Debian mirrors"
_INDEX = re.compile(r"Debian\|(?P<label>\S+) (?P<site>\S+)")
_DEFAULT = re.compile(r"^\s*(?:default_mirror\s+|DEF_MIRROR=)\"?(https?://[^\s\"]+)", re.MULTILINE)
_DEBOOTSTRAP = (Path("/usr/share/debootstrap/scripts/trixie"), Path("/usr/sbin/debootstrap"))


@dataclass(frozen=True, slots=True)
class Mirrors:
    """Addresses of the two pools, without a slash at the end."""

    main: str
    security: str

    def __post_init__(self) -> None:
        for address in (self.main, self.security):
            if not re.fullmatch(r"(https?|file)://?[^\s'\"]+", address):
                raise InvalidInput(f"not a mirror address: {address!r}", hint=_HINT)

    def address(self, archive: Archive) -> str:
        """The address of one pool."""
        return self.main if archive is Archive.MAIN else self.security


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
    # The two pools are siblings on every full mirror.
    return Mirrors(main, (security or f"{main}-security").rstrip("/"))


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
