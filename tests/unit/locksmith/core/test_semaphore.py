"""The semaphore: the rules of 2014, what we add, and values that others wrote."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from locksmith.core.semaphore import Holder, Refusal, Semaphore, encode, parse
from osmodel.faults import UntrustedData

A, B, C = "a" * 32, "b" * 32, "c" * 32
NOBODY: frozenset[str] = frozenset()
MACHINES = st.sampled_from([A, B, C, "d" * 32])


def locked(semaphore: Semaphore, machine: str, boot: str = "") -> Semaphore:
    taken = semaphore.lock(machine, Holder(boot_id=boot), frozenset({boot}))
    assert isinstance(taken, Semaphore)
    return taken


def refusal(found: Semaphore | Refusal) -> str:
    assert isinstance(found, Refusal)
    return found.text


def test_a_new_semaphore_is_written_as_in_2014() -> None:
    assert encode(Semaphore()) == b'{"semaphore":1,"max":1,"holders":null}'


@pytest.mark.parametrize(
    ("value", "free", "limit", "holders"),
    [
        ('{"semaphore":1,"max":1,"holders":null}', 1, 1, ()),
        (f'{{"semaphore":0,"max":1,"holders":["{A}"]}}', 0, 1, (A,)),
        (f'{{"semaphore":-1,"max":1,"holders":["{A}","{B}"]}}', -1, 1, (A, B)),
        ('{"semaphore":2,"max":2,"holders":[],"colour":"red"}', 2, 2, ()),
        ('{"max":3}', 0, 3, ()),
    ],
)
def test_a_value_of_2014_is_read(value: str, free: int, limit: int, holders: Any) -> None:
    found = parse(value.encode())
    assert (found.free, found.limit, found.holders) == (free, limit, holders)


def test_a_parser_of_2014_reads_what_we_write() -> None:
    semaphore = Semaphore(2, 3).lock(
        A, Holder(1, "node1", "boot", "1.0", "1.1", "locksmithd"), NOBODY
    )
    assert isinstance(semaphore, Semaphore)
    document = json.loads(encode(semaphore))
    # As encoding/json fills the struct of lock/semaphore.go: three fields, others passed over.
    assert (document["semaphore"], document["max"], document["holders"]) == (1, 3, [A])


def test_fields_that_nobody_knows_are_kept() -> None:
    value = {
        "semaphore": 0, "max": 1, "holders": [A], "colour": "red",
        "details": {A: {"since": 5, "mood": "good"}},
    }  # fmt: skip
    assert json.loads(encode(parse(json.dumps(value).encode()))) == value


def test_a_place_is_counted_as_programs_of_2014_count_it() -> None:
    taken = locked(Semaphore(2, 2), B)
    assert (taken.free, taken.holders) == (1, (B,))
    assert locked(taken, A).holders == (A, B)
    given_back = locked(taken, A).unlock(B)
    assert isinstance(given_back, Semaphore)
    assert (given_back.free, given_back.holders) == (1, (A,))


def test_no_place_is_given_when_none_is_left() -> None:
    assert refusal(locked(Semaphore(), A).lock(B, Holder(), NOBODY)) == "semaphore is at 0"


def test_who_holds_no_place_gives_none_back() -> None:
    assert refusal(Semaphore().unlock(A)) == "holder does not exist"


def test_lowering_the_places_below_the_holders_takes_none_away_and_gives_none() -> None:
    two = locked(locked(Semaphore(2, 2), A), B)
    lowered = two.set_max(1)
    assert (lowered.free, lowered.limit, lowered.holders) == (-1, 1, (A, B))
    assert refusal(lowered.lock(C, Holder(), NOBODY)) == "semaphore is at -1"
    one = lowered.unlock(A)
    assert isinstance(one, Semaphore)
    assert refusal(one.lock(C, Holder(), NOBODY)) == "semaphore is at 0"


def test_a_count_above_what_the_holders_leave_gives_no_place() -> None:
    boasting = parse((f'{{"semaphore":5,"max":1,"holders":["{A}"]}}').encode())
    assert refusal(boasting.lock(B, Holder(), NOBODY)) == "semaphore is at 0"


def test_a_count_below_what_the_holders_leave_is_honoured() -> None:
    frozen = parse(b'{"semaphore":0,"max":1,"holders":null}')
    assert refusal(frozen.lock(A, Holder(), NOBODY)) == "semaphore is at 0"


def test_asking_again_keeps_the_place_and_since_when_it_is_held() -> None:
    first = Semaphore().lock(A, Holder(since=5, boot_id="one"), frozenset({"one"}))
    assert isinstance(first, Semaphore)
    again = first.lock(A, Holder(since=9, boot_id="two"), frozenset({"one", "two"}))
    assert isinstance(again, Semaphore)
    assert (again.free, again.details[A].since, again.details[A].boot_id) == (0, 5, "two")


def test_another_machine_with_the_same_id_does_not_share_the_place() -> None:
    held = locked(Semaphore(2, 2), A, "boot of the one")
    assert refusal(held.lock(A, Holder(), frozenset({"boot of the other"}))) == "holder exists"


def test_a_place_of_which_nothing_is_known_belongs_to_the_machine_it_names() -> None:
    held = parse((f'{{"semaphore":0,"max":1,"holders":["{A}"]}}').encode())
    again = held.lock(A, Holder(boot_id="now"), frozenset({"now"}))
    assert isinstance(again, Semaphore)
    assert again.free == 0


@pytest.mark.parametrize(
    "value",
    [
        b"", b"null", b"[]", b"7", b"{", b"\xff", b'{"semaphore":"1"}', b'{"semaphore":true}',
        b'{"semaphore":1.5}', b'{"max":null}', b'{"semaphore":1e99}', b'{"holders":"x"}',
        b'{"holders":[1]}', b'{"holders":[""]}', b'{"holders":["x","x"]}', b'{"holders":{}}',
        b'{"semaphore":' + b"9" * 30 + b"}", b"[" * 100_000, b'{"a":"' + b"x" * (10 << 20) + b'"}',
    ],
)  # fmt: skip
def test_what_is_no_semaphore_is_refused_in_one_line(value: bytes) -> None:
    with pytest.raises(UntrustedData) as caught:
        parse(value)
    assert "semaphore" in str(caught.value)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("details", [7, [], {A: 7}, {A: {"since": "x", "host": 5}}, {C: {}}])
def test_damaged_details_do_not_hide_who_holds_a_place(details: object) -> None:
    value = {"semaphore": 0, "max": 1, "holders": [A], "details": details}
    assert parse(json.dumps(value).encode()).holders == (A,)


@given(st.binary(max_size=200))
def test_no_bytes_end_in_anything_but_a_semaphore_or_a_refusal(value: bytes) -> None:
    with contextlib.suppress(UntrustedData):
        parse(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "semaphore": st.integers(-3, 3) | JSON, "max": st.integers(-3, 3) | JSON,
            "holders": st.lists(MACHINES, max_size=3) | JSON, "details": JSON, "more": JSON,
        },
    ),
    MACHINES,
)  # fmt: skip
def test_a_value_once_understood_is_understood_again(value: dict[str, Any], machine: str) -> None:
    try:
        found = parse(json.dumps(value).encode())
    except UntrustedData:
        return
    assert parse(encode(found)) == found
    taken = found.lock(machine, Holder(boot_id="x"), frozenset({"x"}))
    if isinstance(taken, Semaphore):
        assert parse(encode(taken)) == taken
        assert len(taken.holders) <= max(taken.limit, len(found.holders))


class OfTwoKinds(RuleBasedStateMachine):
    """Programs of 2014 and ours use one value in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.value = encode(Semaphore(2, 2))
        self.down: set[str] = set()
        self.limit = 2

    @rule(machine=MACHINES)
    def ours_locks(self, machine: str) -> None:
        boot = frozenset({machine})
        taken = parse(self.value).lock(machine, Holder(since=1, boot_id=machine), boot)
        if isinstance(taken, Semaphore):
            self.value = encode(taken)
            self.down.add(machine)

    @rule(machine=MACHINES)
    def ours_unlocks(self, machine: str) -> None:
        left = parse(self.value).unlock(machine)
        if isinstance(left, Semaphore):
            self.value = encode(left)
            self.down.remove(machine)

    @rule(machine=MACHINES)
    def theirs_locks(self, machine: str) -> None:
        fields = self.as_go_reads_it()
        if fields["semaphore"] <= 0 or machine in fields["holders"]:
            return
        fields["holders"] = sorted([*fields["holders"], machine])
        fields["semaphore"] -= 1
        self.value = json.dumps(fields).encode()
        self.down.add(machine)

    @rule(machine=MACHINES)
    def theirs_unlocks(self, machine: str) -> None:
        fields = self.as_go_reads_it()
        if machine not in fields["holders"]:
            return
        fields["holders"].remove(machine)
        fields["semaphore"] += 1
        self.value = json.dumps(fields).encode()
        self.down.remove(machine)

    @rule(limit=st.integers(0, 4))
    def the_operator_sets_the_places(self, limit: int) -> None:
        self.value = encode(parse(self.value).set_max(limit))
        self.limit = limit

    def as_go_reads_it(self) -> dict[str, Any]:
        found = json.loads(self.value)
        return {
            "semaphore": found["semaphore"],
            "max": found["max"],
            "holders": list(found["holders"] or []),
        }

    @invariant()
    def who_is_down_holds_a_place(self) -> None:
        found = parse(self.value)
        assert set(found.holders) == self.down
        assert found.free == self.limit - len(self.down)


TestOfTwoKinds = OfTwoKinds.TestCase
