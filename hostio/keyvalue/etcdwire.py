"""Transactions, watches and answers in the JSON of etcd's gateway; pure.

Keys and values are base64, numbers of 64 bits are text, and a field at its
default is left out.

Source: etcd v3 ``rpc.proto`` as mapped by grpc-gateway; etcd 3.4 to 3.6.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from osmodel.faults import UntrustedData
from osmodel.keyvalue import (
    Change,
    KeyChange,
    KeyValue,
    Order,
    Outcome,
    Put,
    Range,
    Transaction,
)

Fields = Mapping[str, object]
_ORDERS = {
    Order.BY_KEY: ("ASCEND", "KEY"),
    Order.OLDEST_FIRST: ("ASCEND", "CREATE"),
    Order.NEWEST_FIRST: ("DESCEND", "CREATE"),
}


def encoded(text: str | bytes) -> str:
    """Base64 of a key or value."""
    raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return base64.b64encode(raw).decode()


def transaction_request(transaction: Transaction) -> dict[str, object]:
    """A transaction as the gateway takes it."""
    reads = [{"request_range": _range(one)} for one in transaction.reads]
    return {
        "compare": [
            {
                "key": encoded(one.key),
                "target": "MOD",
                "result": "EQUAL",
                "mod_revision": str(one.mod_revision),
            }
            for one in transaction.conditions
        ],
        "success": [*map(_change, transaction.changes), *reads],
        "failure": reads,
    }


def watch_request(ranges: Iterable[Range], revision: int) -> str:
    """One request per range; together they are one stream."""
    lines = []
    for one in ranges:
        fields = {"key": encoded(one.key), "start_revision": str(revision + 1)}
        if one.end:
            fields["range_end"] = encoded(one.end)
        lines.append(json.dumps({"create_request": fields}))
    return "\n".join(lines)


def _range(wanted: Range) -> dict[str, object]:
    order, target = _ORDERS[wanted.order]
    fields: dict[str, object] = {"key": encoded(wanted.key)}
    if wanted.end:
        fields |= {"range_end": encoded(wanted.end), "sort_order": order, "sort_target": target}
    if wanted.limit:
        fields["limit"] = str(wanted.limit)
    if wanted.created_before:
        fields["max_create_revision"] = str(wanted.created_before - 1)
    if wanted.keys_only:
        fields["keys_only"] = True
    return fields


def _change(change: Change) -> dict[str, object]:
    if isinstance(change, Put):
        fields = {"key": encoded(change.key), "value": encoded(change.value)}
        if change.lease:
            fields["lease"] = str(change.lease)
        return {"request_put": fields}
    return {"request_delete_range": {"key": encoded(change.key)}}


def parse_object(body: bytes) -> Fields:
    """A JSON object.

    Raises:
        UntrustedData: anything else.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UntrustedData(f"etcd: the answer is no JSON: {body[:40]!r}") from error
    if not isinstance(found, dict):
        raise UntrustedData(f"etcd: the answer is no JSON object: {body[:40]!r}")
    return found


def parse_outcome(fields: Fields, transaction: Transaction) -> Outcome:
    """The answer to a transaction.

    Raises:
        UntrustedData: it does not fit the transaction.
    """
    committed = fields.get("succeeded", False)
    responses = fields.get("responses", [])
    before = len(transaction.changes) if committed else 0
    if not isinstance(responses, list) or len(responses) != before + len(transaction.reads):
        raise UntrustedData("etcd: the answer does not fit the transaction")
    return Outcome(
        committed is True,
        number(table(fields.get("header")), "revision"),
        tuple(_found(table(one)) for one in responses[before:]),
    )


def _found(response: Fields) -> tuple[KeyValue, ...]:
    if "response_range" not in response:
        raise UntrustedData("etcd: the answer does not fit the transaction")
    rows = table(response["response_range"]).get("kvs", [])
    if not isinstance(rows, list):
        raise UntrustedData("etcd: keys are not a list")
    return tuple(_key_value(table(row)) for row in rows)


def _key_value(fields: Fields) -> KeyValue:
    return KeyValue(
        decoded(fields, "key").decode("utf-8", "surrogateescape"),
        decoded(fields, "value"),
        number(fields, "mod_revision"),
        number(fields, "create_revision"),
        number(fields, "lease"),
    )


def parse_events(result: Fields) -> Sequence[KeyChange]:
    """The changes in one message of a watch.

    Raises:
        UntrustedData: not such a message.
    """
    events = result.get("events", [])
    if not isinstance(events, list):
        raise UntrustedData("etcd: events are not a list")
    found = []
    for event in map(table, events):
        one = _key_value(table(event.get("kv")))
        removed = event.get("type") == "DELETE"
        found.append(KeyChange(one.key, None if removed else one.value, one.mod_revision))
    return found


def table(value: object) -> Fields:
    """An object, or an empty one for nothing.

    Raises:
        UntrustedData: anything else.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UntrustedData("etcd: expected an object in the answer")
    return cast("Fields", value)


def number(fields: Fields, name: str) -> int:
    """A number of 64 bits, written as text or not; 0 if it is left out.

    Raises:
        UntrustedData: anything else.
    """
    value = fields.get(name, 0)
    if isinstance(value, str) and value.removeprefix("-").isdecimal() and len(value) <= 20:  # noqa: PLR2004 - digits of 64 bits and a sign
        value = int(value)
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise UntrustedData(f"etcd: {name} is no number")
    return value


def decoded(fields: Fields, name: str) -> bytes:
    """A field of base64; empty if it is left out.

    Raises:
        UntrustedData: anything else.
    """
    value = fields.get(name, "")
    try:
        return base64.b64decode(cast("str", value), validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise UntrustedData(f"etcd: {name} is no base64") from error
