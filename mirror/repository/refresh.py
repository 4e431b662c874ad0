"""Re-sign what the repository says, with later dates.

Hosts refuse a repository whose timestamp has expired, so that an attacker
cannot keep old metadata in front of them. The mirror therefore re-signs
snapshot and timestamp from time to time; release signers are not needed for
it. The offline roles are re-signed when enough of their keys are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import Root, Targets

from hostio.system.clock import Clock
from mirror.repository.clockcheck import check_clock
from mirror.repository.lock import locked
from mirror.repository.rolefiles import RoleSet, announce, load, signed_by_role, signers_of, write
from mirror.signing.keys import SigningKey


def refresh(
    repository: Path,
    keys: Sequence[SigningKey],
    clock: Clock,
    *,
    clock_is_right: bool = False,
) -> tuple[str, ...]:
    """Re-sign each role that ``keys`` can speak for; returns their names.

    Args:
        repository: an existing repository.
        keys: the online keys, and those of offline roles that are due.
        clock: gives the dates of the metadata.
        clock_is_right: sign although the repository contradicts the clock.

    Raises:
        InvalidInput: not a repository, an online key is missing, the keys
            given for an offline role are fewer than its threshold, or the
            repository contradicts the clock.
        TransientFailure: another ``update-mirror`` is changing the repository.
        UntrustedData: the repository is damaged.
    """
    with locked(repository):
        now = load(repository)
        at = clock.now()
        if not clock_is_right:
            check_clock(now, at)
        offline = [role for role in (Root.type, Targets.type) if _meant(now, role, keys)]
        for role in (*offline, "snapshot", "timestamp"):
            # Refused before anything is written, not half way.
            signers_of(now.root.signed, role, keys)
        if Root.type in offline:
            now = _with_later_root(repository, now, keys, at)
        if Targets.type in offline:
            targets = deepcopy(now.targets.signed)
            targets.version += 1
            signed = signed_by_role(now.root.signed, targets, keys, at, before=targets)
            write(repository, signed)
            now = replace(now, targets=signed)
        announce(repository, now, keys, at)
    return (*offline, "snapshot", "timestamp")


def _meant(now: RoleSet, role: str, keys: Sequence[SigningKey]) -> bool:
    return any(key.keyid in now.root.signed.roles[role].keyids for key in keys)


def _with_later_root(
    repository: Path, now: RoleSet, keys: Sequence[SigningKey], at: datetime
) -> RoleSet:
    # The rules stay the same, so one set of signatures satisfies the old root
    # and the one that follows it.
    root = deepcopy(now.root.signed)
    root.version += 1
    signed = signed_by_role(now.root.signed, root, keys, at, before=root)
    write(repository, signed)
    return replace(now, root=signed)
