"""etcd as a value in memory: revisions, conditions, ranges and watches, no leases."""

from collections.abc import Sequence

from osmodel.keyvalue import (
    Delete,
    KeyChange,
    KeyValue,
    Order,
    Outcome,
    Put,
    Range,
    Transaction,
)


class RamEtcd:
    """One member that never fails; ``commit`` is one request.

    Attributes:
        revision: of the store.
        keys: by name, in the order of their creation.
        changes: all of them, oldest first.
        requests: that were made.
    """

    def __init__(self) -> None:
        self.revision = 1
        self.keys: dict[str, KeyValue] = {}
        self.changes: list[KeyChange] = []
        self.requests = 0

    def commit(self, transaction: Transaction) -> Outcome:
        self.requests += 1
        return self.apply(transaction)

    def apply(self, transaction: Transaction) -> Outcome:
        """The same without counting it."""
        held = all(self._revision_of(one.key) == one.mod_revision for one in transaction.conditions)
        if held and transaction.changes:
            self._change(transaction.changes)
        found = tuple(self._read(wanted) for wanted in transaction.reads)
        return Outcome(held, self.revision, found)

    def watch(
        self, ranges: Sequence[Range], revision: int, timeout: float
    ) -> tuple[KeyChange, ...]:
        """What has changed since; never waits."""
        del timeout
        self.requests += 1
        return self.changed(ranges, revision)

    def changed(self, ranges: Sequence[Range], revision: int) -> tuple[KeyChange, ...]:
        """Changes in ``ranges`` after ``revision``."""
        found: list[KeyChange] = []
        for change in reversed(self.changes):
            if change.mod_revision <= revision:
                break
            if any(change.key in wanted for wanted in ranges):
                found.append(change)
        return tuple(reversed(found))

    def put(self, key: str, value: bytes) -> None:
        """Write as another program does."""
        self.apply(Transaction((), (Put(key, value),)))

    def delete(self, key: str) -> None:
        """Remove as another program does."""
        self.apply(Transaction((), (Delete(key),)))

    def value(self, key: str) -> bytes | None:
        """What a key holds."""
        found = self.keys.get(key)
        return found.value if found else None

    def _revision_of(self, key: str) -> int:
        found = self.keys.get(key)
        return found.mod_revision if found else 0

    def _change(self, changes: Sequence[Put | Delete]) -> None:
        self.revision += 1
        for change in changes:
            if isinstance(change, Put):
                known = self.keys.get(change.key)
                created = known.create_revision if known else self.revision
                self.keys[change.key] = KeyValue(
                    change.key, change.value, self.revision, created, change.lease
                )
                self.changes.append(KeyChange(change.key, change.value, self.revision))
            elif self.keys.pop(change.key, None) is not None:
                self.changes.append(KeyChange(change.key, None, self.revision))

    def _read(self, wanted: Range) -> tuple[KeyValue, ...]:
        if not wanted.end:
            one = self.keys.get(wanted.key)
            return (one,) if one else ()
        found = [
            one
            for one in self.keys.values()
            if wanted.key <= one.key < wanted.end
            and (not wanted.created_before or one.create_revision < wanted.created_before)
        ]
        if wanted.order is Order.NEWEST_FIRST:
            found.reverse()
        elif wanted.order is Order.BY_KEY:
            found.sort(key=lambda one: one.key)
        found = found[: wanted.limit] if wanted.limit else found
        if wanted.keys_only:
            found = [KeyValue(o.key, b"", o.mod_revision, o.create_revision) for o in found]
        return tuple(found)
