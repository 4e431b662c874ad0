"""Re-signing a repository in time."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.repository.refresh import refresh
from osmodel.faults import InvalidInput
from tests.fakes.repository import MadeRepository, files, made_repository, versions


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    return made_repository(tmp_path)


def test_a_refresh_keeps_a_repository_alive_without_release_keys(made: MadeRepository) -> None:
    made.publish("1.0.0")
    for _ in range(10):
        made.clock.advance(6 * 86_400)
        made.refresh()
        assert versions(made.client().refresh()) == ["1.0.0"]


def test_with_their_keys_the_offline_roles_are_re_signed(made: MadeRepository) -> None:
    made.publish("1.0.0")
    made.client().refresh()
    for _ in range(60):
        made.clock.advance(6 * 86_400)
        made.refresh()
    keys = [*made.keys("root"), *made.keys("targets", 2), *made.keys("timestamp")]
    assert refresh(made.directory, keys, made.clock) == ("root", "targets", "snapshot", "timestamp")
    assert made.root.signed.version == 2
    assert versions(made.client().refresh()) == ["1.0.0"]


def test_too_few_keys_of_a_role_refresh_nothing(made: MadeRepository) -> None:
    before = files(made.directory)
    for role in ("root", "targets"):
        with pytest.raises(InvalidInput, match=f"role {role} needs 2 of 3 keys, 1 given"):
            refresh(made.directory, [*made.keys(role, 1), *made.keys("timestamp")], made.clock)
    assert files(made.directory) == before
