"""What an operator is shown of a repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.repository.status import status
from tests.fakes.repository import MadeRepository, made_repository


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    return made_repository(tmp_path)


def test_the_status_shows_releases_and_roles(made: MadeRepository) -> None:
    made.publish("1.10.0", b"abc")
    made.publish("1.9.0", b"abcd")
    shown = status(made.directory, made.clock.now())
    assert [(str(o.release.version), o.full.size) for o in shown.releases] == [
        ("1.9.0", 4),
        ("1.10.0", 3),
    ]
    assert {role.role: (role.threshold, len(role.keys)) for role in shown.roles} == {
        "root": (2, 3),
        "targets": (2, 3),
        "snapshot": (1, 1),
        "timestamp": (1, 1),
    }
    assert not shown.warnings


def test_the_status_warns_before_and_after_an_expiry(made: MadeRepository) -> None:
    made.clock.advance(6 * 86_400)
    (soon,) = status(made.directory, made.clock.now()).warnings
    assert soon == "timestamp expires in 1 days and 0 hours; run update-mirror refresh"
    made.clock.advance(2 * 86_400)
    (late,) = status(made.directory, made.clock.now()).warnings
    assert "the timestamp expired at 2026-01-08 00:00 UTC: hosts refuse this repository" in late
    assert "refresh --clock-is-right" in late


def test_the_status_misses_a_payload_that_is_gone(made: MadeRepository) -> None:
    made.publish("1.0.0")
    next(path for path in made.directory.rglob("*.payload")).unlink()
    shown = status(made.directory, made.clock.now())
    assert shown.warnings == ("the payload of minimal 1.0.0 is missing",)


def test_a_missing_delta_is_named(made: MadeRepository) -> None:
    made.publish("1.0.0", deltas={"12" * 32: b"delta"})
    next(path for path in made.directory.rglob("*.from-*.payload")).unlink()
    shown = status(made.directory, made.clock.now())
    assert shown.warnings == ("the delta from 1212121212121212 of minimal 1.0.0 is missing",)
