"""The etcd port over one file, for a machine that shares nothing with others.

The same transactions with the same meaning, so that nothing above has to know
the difference. A lock beside the file keeps processes apart; the file is replaced
whole and durably.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hostio.files.lock import locked
from hostio.files.statefiles import DurableFile
from hostio.keyvalue import etcdwire
from hostio.system.clock import Clock
from osmodel.faults import HostFailure, TransientFailure, UntrustedData
from osmodel.keyvalue import KeyChange, KeyValue, Order, Outcome, Put, Range, Transaction

_FORMAT = 1
_LOCK_TRIES = 50
_LOCK_PAUSE = 0.1  # seconds
_LOOK = 1.0  # seconds between two looks of a watch


class KeyFile:
    """Keys in a file; see :class:`hostio.keyvalue.port.KeyStore`.

    Args:
        path: of the file; made at the first change.
        clock: for waiting.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._file = DurableFile(path, mode=0o644)
        self._clock = clock

    def commit(self, transaction: Transaction) -> Outcome:
        """See :meth:`hostio.keyvalue.port.KeyStore.commit`.

        Raises:
            HostFailure: the file cannot be read or written.
            UntrustedData: the file is damaged.
        """
        if not transaction.changes:
            revision, keys = self._read()
            return _answer(transaction, revision, keys, held=_holds(transaction, keys))
        for left in reversed(range(_LOCK_TRIES)):
            try:
                with locked(self._path.with_suffix(".lock"), busy=f"{self._path}: in use"):
                    return self._change(transaction)
            except TransientFailure:
                if not left:
                    raise
                self._clock.sleep(_LOCK_PAUSE)
        raise AssertionError("the last try returns or raises")

    def watch(self, ranges: Sequence[Range], revision: int, timeout: float) -> Sequence[KeyChange]:
        """See :meth:`hostio.keyvalue.port.KeyStore.watch`; a removal is not seen."""
        until = self._clock.monotonic() + timeout
        while True:
            _, keys = self._read()
            found = [
                KeyChange(one.key, one.value, one.mod_revision)
                for one in keys.values()
                if one.mod_revision > revision and any(one.key in wanted for wanted in ranges)
            ]
            left = until - self._clock.monotonic()
            if found or left <= 0:
                return sorted(found, key=lambda change: change.mod_revision)
            self._clock.sleep(min(_LOOK, left))

    def _change(self, transaction: Transaction) -> Outcome:
        revision, keys = self._read()
        held = _holds(transaction, keys)
        if held:
            revision += 1
            for change in transaction.changes:
                if isinstance(change, Put):
                    known = keys.get(change.key)
                    created = known.create_revision if known else revision
                    keys[change.key] = KeyValue(change.key, change.value, revision, created)
                else:
                    keys.pop(change.key, None)
            self._write(revision, keys)
        return _answer(transaction, revision, keys, held=held)

    def _read(self) -> tuple[int, dict[str, KeyValue]]:
        text = self._file.read()
        if text is None:
            return 1, {}
        try:
            fields = etcdwire.parse_object(text.encode())
            found = _rows(fields)
        except (KeyError, UntrustedData) as error:
            raise UntrustedData(
                f"{self._path}: damaged: {error}", hint="remove it to begin anew"
            ) from error
        return etcdwire.number(fields, "revision"), {one.key: one for one in found}

    def _write(self, revision: int, keys: dict[str, KeyValue]) -> None:
        rows = [
            {
                "key": one.key,
                "value": etcdwire.encoded(one.value),
                "mod_revision": one.mod_revision,
                "create_revision": one.create_revision,
            }
            for one in keys.values()
        ]
        document = {"format": _FORMAT, "revision": revision, "keys": rows}
        text = json.dumps(document, indent=1) + "\n"
        if len(text) > 1 << 20:
            raise HostFailure(f"{self._path}: full")
        self._file.write(text)


def _rows(fields: etcdwire.Fields) -> list[KeyValue]:
    rows = fields["keys"]
    if fields["format"] != _FORMAT or not isinstance(rows, list):
        raise UntrustedData("unknown format")
    return [_parsed(etcdwire.table(row)) for row in rows]


def _parsed(fields: etcdwire.Fields) -> KeyValue:
    return KeyValue(
        str(fields["key"]),
        etcdwire.decoded(fields, "value"),
        etcdwire.number(fields, "mod_revision"),
        etcdwire.number(fields, "create_revision"),
    )


def _holds(transaction: Transaction, keys: dict[str, KeyValue]) -> bool:
    known = {key: one.mod_revision for key, one in keys.items()}
    return all(known.get(one.key, 0) == one.mod_revision for one in transaction.conditions)


def _answer(
    transaction: Transaction, revision: int, keys: dict[str, KeyValue], *, held: bool
) -> Outcome:
    return Outcome(held, revision, tuple(_found(keys, one) for one in transaction.reads))


def _found(keys: dict[str, KeyValue], wanted: Range) -> tuple[KeyValue, ...]:
    found = [
        one
        for one in keys.values()
        if one.key in wanted
        and (not wanted.created_before or one.create_revision < wanted.created_before)
    ]
    if wanted.order is Order.BY_KEY:
        found.sort(key=lambda one: one.key)
    else:
        newest = wanted.order is Order.NEWEST_FIRST
        found.sort(key=lambda one: one.create_revision, reverse=newest)
    found = found[: wanted.limit] if wanted.limit else found
    if wanted.keys_only:
        found = [KeyValue(o.key, b"", o.mod_revision, o.create_revision) for o in found]
    return tuple(found)
