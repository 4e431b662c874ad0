"""Make an empty repository and throw-away keys for it.

The keys made here are for trying things out and for a mirror that is run by
one person. Where several people must agree, each makes an own key and no
machine ever holds two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import Key, Role, Root, Snapshot, Targets, Timestamp

from mirror.repository.publicfiles import make_directory
from mirror.repository.rolefiles import directory, meta_file, role_file, signed_by_role, write
from mirror.signing.keys import SigningKey, lies_in, make_key
from osmodel.faults import HostFailure, InvalidInput
from osmodel.repository import EXPIRES_AFTER, MOST_DAYS, ROLES, TARGETS

ONLINE_KEY = "online.pem"
DEFAULT_DAYS: Mapping[str, int] = {"root": 365, "targets": 180, "snapshot": 30, "timestamp": 7}
_MOST_KEYS = 32


@dataclass(frozen=True, slots=True)
class Quorum:
    """``threshold`` of ``keys`` signers must agree."""

    threshold: int
    keys: int

    def __post_init__(self) -> None:
        if not 1 <= self.threshold <= self.keys <= _MOST_KEYS:
            raise InvalidInput(
                f"cannot ask for {self.threshold} of {self.keys} keys",
                hint=f"1 <= threshold <= keys <= {_MOST_KEYS}",
            )


@dataclass(frozen=True, slots=True)
class Policy:
    """Who signs and for how long.

    Attributes:
        root: signers of the root of trust.
        targets: signers of releases.
        days: validity in days, by role.
    """

    root: Quorum
    targets: Quorum
    days: Mapping[str, int]

    def __post_init__(self) -> None:
        for role, days in self.days.items():
            if role not in ROLES or not 1 <= days <= MOST_DAYS:
                raise InvalidInput(
                    f"cannot let role {role!r} expire after {days} days",
                    hint=f"roles are {', '.join(ROLES)}; days run from 1 to {MOST_DAYS}",
                )


@dataclass(frozen=True, slots=True)
class Created:
    """What was made.

    Attributes:
        trust_root: the file an image is built with.
        keys: URIs of the private keys, by role.
    """

    trust_root: Path
    keys: Mapping[str, tuple[str, ...]]


def create(repository: Path, key_directory: Path, policy: Policy, now: datetime) -> Created:
    """Make keys, then an empty repository signed with them.

    Raises:
        InvalidInput: the repository or a key exists, or the keys would lie
            inside the repository.
        HostFailure: the file system refused.
    """
    if lies_in(key_directory, repository):
        raise InvalidInput(f"{key_directory} lies inside the repository, which is served")
    _check_empty(repository)
    keys = _made_keys(key_directory, policy)
    _write_roles(repository, _root(policy, keys), keys, now)
    return Created(
        role_file(repository, Root.type, 1),
        {role: tuple(key.uri for key in keys[role]) for role in ROLES},
    )


def _check_empty(repository: Path) -> None:
    try:
        occupied = any(repository.iterdir())
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise InvalidInput(f"{repository} is not a directory") from error
    except OSError as error:
        raise HostFailure(f"{repository}: {error.strerror}") from error
    if occupied:
        raise InvalidInput(f"{repository} is not empty", hint="nothing is ever overwritten")


def _made_keys(key_directory: Path, policy: Policy) -> dict[str, list[SigningKey]]:
    try:
        key_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise InvalidInput(f"{key_directory} is not a directory") from error
    except OSError as error:
        raise HostFailure(f"{key_directory}: {error.strerror}") from error
    online = make_key(key_directory / ONLINE_KEY)
    keys = {
        role: [make_key(key_directory / f"{role}-{n}.pem") for n in range(1, quorum.keys + 1)]
        for role, quorum in (("root", policy.root), ("targets", policy.targets))
    }
    return {**keys, "snapshot": [online], "timestamp": [online]}


def _root(policy: Policy, keys: Mapping[str, Sequence[SigningKey]]) -> Root:
    thresholds = {"root": policy.root.threshold, "targets": policy.targets.threshold}
    roles = {
        role: Role(
            [key.keyid for key in keys[role]],
            thresholds.get(role, 1),
            {EXPIRES_AFTER: policy.days.get(role, DEFAULT_DAYS[role])},
        )
        for role in ROLES
    }
    public: dict[str, Key] = {key.keyid: key.public for held in keys.values() for key in held}
    return Root(version=1, keys=public, roles=roles, consistent_snapshot=True)


def _write_roles(
    repository: Path, root: Root, keys: Mapping[str, Sequence[SigningKey]], now: datetime
) -> None:
    make_directory(directory(repository))
    make_directory(repository / TARGETS)
    targets = signed_by_role(root, Targets(version=1), keys["targets"], now)
    snapshot = signed_by_role(
        root, Snapshot(version=1, meta={"targets.json": meta_file(targets)}), keys["snapshot"], now
    )
    timestamp = signed_by_role(
        root, Timestamp(version=1, snapshot_meta=meta_file(snapshot)), keys["timestamp"], now
    )
    write(repository, signed_by_role(root, root, keys["root"], now))
    write(repository, targets)
    write(repository, snapshot)
    write(repository, timestamp)
