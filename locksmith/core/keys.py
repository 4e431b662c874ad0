"""Names of the keys in the store.

A group's keys lie side by side. The roll-out and the semaphore are neighbours in
the order of keys, so that one watch covers both and nothing else.

Source: locksmith's ``lock/etcd.go`` for the semaphore; docs/formats/locksmith.md
for the others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from osmodel.faults import InvalidInput
from osmodel.keyvalue import Range, end_of_prefix

ROOT = "coreos.com/updateengine/rebootlock"
_KEPT = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_LONGEST_GROUP = 255  # characters
_MACHINE_ID = re.compile(r"[!-.0-~]{1,128}")  # printable, no blank, no slash


@dataclass(frozen=True, slots=True)
class GroupKeys:
    """All keys of one group.

    Attributes:
        group: its name; empty for the default group.
    """

    group: str = ""

    def __post_init__(self) -> None:
        if len(self.group) > _LONGEST_GROUP:
            raise InvalidInput(f"group: at most {_LONGEST_GROUP} characters")
        if any(ord(character) < ord(" ") for character in self.group):
            raise InvalidInput(f"group: control characters in {self.group!r}")

    @property
    def _home(self) -> str:
        return f"{ROOT}/groups/{escaped(self.group)}" if self.group else ROOT

    @property
    def semaphore(self) -> str:
        """The semaphore: the one key that programs of 2014 know."""
        return f"{self._home}/semaphore"

    @property
    def rollout(self) -> str:
        """Which versions may be booted, and the policy."""
        return f"{self._home}/rollout"

    @property
    def both(self) -> Range:
        """Semaphore and roll-out, for a watch."""
        return Range(self.rollout, f"{self.semaphore}\x00")

    @property
    def waiting(self) -> Range:
        """Everybody who waits for a place."""
        return _below(f"{self._home}/waiting/")

    @property
    def failures(self) -> Range:
        """The last failure of each machine."""
        return _below(f"{self._home}/failures/")

    def waiting_of(self, machine: str) -> str:
        """The key by which ``machine`` waits."""
        return f"{self._home}/waiting/{machine}"

    def failure_of(self, machine: str) -> str:
        """The last failure of ``machine``."""
        return f"{self._home}/failures/{machine}"


def _below(prefix: str) -> Range:
    return Range(prefix, end_of_prefix(prefix))


def escaped(text: str) -> str:
    """As Go's ``url.QueryEscape`` writes it."""
    found = (
        "+" if byte == ord(" ") else chr(byte) if byte in _KEPT else f"%{byte:02X}"
        for byte in text.encode("utf-8", "surrogateescape")
    )
    return "".join(found)


def checked_machine_id(text: str) -> str:
    """``text`` if it can name a machine in a key.

    Any name is taken, not only 32 hexadecimal digits: FleetLock clients and
    people choose their own.

    Raises:
        InvalidInput: empty, too long, or with a blank or slash in it.
    """
    if not _MACHINE_ID.fullmatch(text):
        raise InvalidInput(
            f"not a machine id: {text[:64]!r}",
            hint="printable characters without blanks and slashes, as in /etc/machine-id",
        )
    return text
