"""Names of keys."""

import pytest

from locksmith.core.keys import GroupKeys, checked_machine_id
from osmodel.faults import InvalidInput

HOME = "coreos.com/updateengine/rebootlock"


def test_the_default_group_has_the_key_of_2014() -> None:
    assert GroupKeys().semaphore == f"{HOME}/semaphore"


@pytest.mark.parametrize(
    ("group", "escaped"),
    [
        ("workers", "workers"),
        ("a b", "a+b"),
        ("a/b", "a%2Fb"),
        ("a+b&c=d", "a%2Bb%26c%3Dd"),
        ("x-y_z.~", "x-y_z.~"),
        ("k\u00f6ln", "k%C3%B6ln"),
        ("..", ".."),
    ],
)
def test_a_group_is_escaped_as_go_does_it(group: str, escaped: str) -> None:
    assert GroupKeys(group).semaphore == f"{HOME}/groups/{escaped}/semaphore"


def test_one_watch_covers_roll_out_and_semaphore_and_nothing_else() -> None:
    for keys in (GroupKeys(), GroupKeys("workers")):
        assert keys.semaphore in keys.both
        assert keys.rollout in keys.both
        for other in (keys.waiting_of("x"), keys.failure_of("x"), GroupKeys("z").semaphore):
            assert other not in keys.both


def test_groups_do_not_share_a_queue() -> None:
    assert GroupKeys("a").waiting_of("x") not in GroupKeys().waiting
    assert GroupKeys().waiting_of("x") in GroupKeys().waiting


@pytest.mark.parametrize("group", ["x" * 256, "a\nb", "\x00"])
def test_a_group_that_cannot_be_shown_is_refused(group: str) -> None:
    with pytest.raises(InvalidInput, match="group"):
        GroupKeys(group)


@pytest.mark.parametrize("text", ["", "a b", "a/b", "\u00e4", "x" * 129, "a\n"])
def test_what_cannot_name_a_machine_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="not a machine id"):
        checked_machine_id(text)


@pytest.mark.parametrize("text", ["0" * 32, "node-1.example", "x" * 128])
def test_people_may_name_machines_as_they_like(text: str) -> None:
    assert checked_machine_id(text) == text
