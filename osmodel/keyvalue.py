"""Keys, values and transactions of a key-value store with revisions, as values.

The words are etcd's: a store has one revision that grows with every change; each
key knows the revision that created it and the one that changed it last. A
transaction is the only way to read or write, so a core can build one, a shell
send it, and a simulator interrupt it.

Source: etcd v3 API, ``kv.proto`` and ``rpc.proto``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Order(StrEnum):
    """How the keys of a range are sorted."""

    BY_KEY = "by-key"
    OLDEST_FIRST = "oldest-first"
    NEWEST_FIRST = "newest-first"


@dataclass(frozen=True, slots=True)
class KeyValue:
    """One key as it was read.

    Attributes:
        key: its name.
        value: empty when only keys were asked for.
        mod_revision: of its last change.
        create_revision: of its creation; a key made anew has a later one.
        lease: that keeps it alive; 0 for none.
    """

    key: str
    value: bytes
    mod_revision: int
    create_revision: int
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Range:
    """Keys to read or to watch.

    Attributes:
        key: the key, or the first of several.
        end: the first key that does not belong to it any more; empty for ``key`` alone.
        limit: of keys that are returned; 0 for all.
        order: of the keys.
        created_before: only keys with an earlier create revision; 0 for all.
        keys_only: leave the values out.
    """

    key: str
    end: str = ""
    limit: int = 0
    order: Order = Order.BY_KEY
    created_before: int = 0
    keys_only: bool = False

    def __contains__(self, key: object) -> bool:
        """Whether ``key`` lies in the range; limit and revisions aside."""
        if not isinstance(key, str):
            return False
        return self.key <= key < self.end if self.end else key == self.key


def end_of_prefix(prefix: str) -> str:
    """The first key that does not begin with ``prefix`` any more.

    Args:
        prefix: ends in an ASCII character below DEL.
    """
    assert prefix[-1] < "\x7f", "the last byte must have a successor"
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A condition: no other client has changed ``key`` since it was read.

    Attributes:
        key: to compare.
        mod_revision: as it was read; 0 if there was no such key.
    """

    key: str
    mod_revision: int


@dataclass(frozen=True, slots=True)
class Put:
    """Set a key; with a lease it vanishes when the lease ends."""

    key: str
    value: bytes
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a key; nothing happens if there is none."""

    key: str


Change = Put | Delete


@dataclass(frozen=True, slots=True)
class Transaction:
    """All of it happens at one revision, or nothing is changed.

    Attributes:
        conditions: all must hold for the changes.
        changes: made in order; no key twice.
        reads: answered in any case; they see the changes if those were made.
    """

    conditions: tuple[Unchanged, ...] = ()
    changes: tuple[Change, ...] = ()
    reads: tuple[Range, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a transaction.

    Attributes:
        committed: whether the conditions held.
        revision: of the store after it.
        found: keys of each read, in the order of the reads.
    """

    committed: bool
    revision: int
    found: tuple[tuple[KeyValue, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One change that a watch saw.

    Attributes:
        key: that changed.
        value: its value, or ``None`` when it was removed.
        mod_revision: of the change.
    """

    key: str
    value: bytes | None
    mod_revision: int
