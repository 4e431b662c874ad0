"""A mirror whose clock and whose repository cannot both be right."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mirror.repository.status import status, status_to_json
from osmodel.faults import InvalidInput, UntrustedData
from tests.fakes.repository import NOW, MadeRepository, files, made_repository, versions

DAY = 86_400


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    repository = made_repository(tmp_path)
    repository.publish("1.0.0")
    return repository


def test_a_clock_that_is_ahead_signs_nothing(made: MadeRepository) -> None:
    before = files(made.directory)
    made.clock.advance(100 * DAY)
    for sign in (made.refresh, lambda: made.publish("1.0.1")):
        with pytest.raises(InvalidInput, match="2026-04-11 00:00 UTC, but the timestamp expired"):
            sign()
    assert files(made.directory) == before


def test_a_clock_that_is_behind_signs_nothing(made: MadeRepository) -> None:
    made.clock.advance(3 * DAY)
    made.refresh()
    before = files(made.directory)
    made.clock.advance(-2 * DAY)
    for sign in (made.refresh, lambda: made.publish("1.0.1")):
        with pytest.raises(InvalidInput, match="02 00:00 UTC, but the repository was signed at"):
            sign()
    assert files(made.directory) == before


def test_publishing_what_is_there_asks_no_clock(made: MadeRepository) -> None:
    made.clock.advance(100 * DAY)
    assert not made.publish("1.0.0").changed


@pytest.mark.parametrize("days", [0, 1, 6, 7])
def test_a_clock_within_the_validity_passes_and_cannot_lock_hosts_out(
    made: MadeRepository, days: int
) -> None:
    made.clock.advance(days * DAY)
    made.refresh()
    assert versions(made.client().refresh()) == ["1.0.0"]
    made.clock.advance(-days * DAY)
    made.refresh(clock_is_right=True)
    assert versions(made.client().refresh()) == ["1.0.0"]


def test_clocks_that_differ_by_minutes_may_share_a_repository(made: MadeRepository) -> None:
    made.clock.advance(-4 * 60)
    made.refresh()


def test_the_status_says_what_the_clock_contradicts(made: MadeRepository) -> None:
    assert status(made.directory, NOW).clock_warning == ""
    behind = status(made.directory, NOW - timedelta(days=1))
    assert "but the repository was signed at 2026-01-01 00:00 UTC" in behind.warnings[0]
    assert "--clock-is-right" in behind.warnings[0]
    assert status_to_json(behind)["signed"] == "2026-01-01T00:00:00+00:00"


def after_a_wrong_clock(made: MadeRepository, days: int) -> None:
    """A host saw what was signed under a clock that was so far ahead."""
    made.clock.advance(days * DAY)
    made.refresh(clock_is_right=True)
    assert versions(made.client().refresh()) == ["1.0.0"]
    made.clock.advance(-days * DAY)


def test_hosts_that_saw_a_wrong_clock_accept_what_follows(made: MadeRepository) -> None:
    after_a_wrong_clock(made, 100)
    with pytest.raises(InvalidInput, match="was signed at 2026-04-11"):
        made.refresh()
    made.refresh(clock_is_right=True)
    for _ in range(5):
        assert versions(made.client().refresh()) == ["1.0.0"]
        assert versions(made.client(made.cache.with_name("other host")).refresh()) == ["1.0.0"]
        made.clock.advance(6 * DAY)
        made.refresh()
    made.publish("1.0.1")
    assert versions(made.client().refresh()) == ["1.0.0", "1.0.1"]


def test_a_long_validity_that_a_wrong_clock_left_is_shown(made: MadeRepository) -> None:
    after_a_wrong_clock(made, 100)
    made.refresh(clock_is_right=True)
    warnings = status(made.directory, made.clock.now()).warnings
    assert "timestamp is valid for more than 7 days: once a clock was ahead" in warnings
    for _ in range(20):
        made.clock.advance(6 * DAY)
        made.refresh()
    assert not [
        text for text in status(made.directory, made.clock.now()).warnings if "ahead" in text
    ]


def test_beyond_the_validity_of_an_offline_role_its_signers_are_needed(
    made: MadeRepository,
) -> None:
    made.clock.advance(200 * DAY)
    made.refresh(clock_is_right=True)
    # By now the targets have expired, so no host has taken this timestamp for good.
    with pytest.raises(UntrustedData, match="expired"):
        made.client().refresh()
