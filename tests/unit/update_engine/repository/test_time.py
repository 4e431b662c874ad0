"""Expiry, and clocks that are wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import Metadata

from mirror.repository.rolefiles import write
from osmodel.faults import UntrustedData
from tests.fakes.repository import MadeRepository, made_repository, refuses, versions


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    """A repository with one release, known to a host."""
    repository = made_repository(tmp_path)
    repository.publish("1.0.0", b"first payload")
    repository.client().refresh()
    return repository


DAY = 86_400


def copy_of(made: MadeRepository, name: str) -> Path:
    return Path(shutil.copytree(made.directory, made.directory.parent / name))


def rewritten(path: Path, change: Callable[[Any], None]) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def test_a_clock_that_fell_back_does_not_bring_expired_metadata_to_life(
    made: MadeRepository,
) -> None:
    old = copy_of(made, "old")
    made.clock.advance(30 * DAY)
    made.refresh(clock_is_right=True)
    made.client().refresh()
    # The timestamp of 30 days ago, served again to a host back in 1970: even
    # without its version, the last trusted time says that it has expired.
    made.clock.advance(-50 * 365 * DAY)
    shutil.copy(old / "metadata" / "timestamp.json", made.metadata("timestamp.json"))
    refuses(made, made.client())


def test_metadata_that_had_expired_when_its_timestamp_was_signed_is_refused_even_in_1970(
    made: MadeRepository, tmp_path: Path
) -> None:
    made.clock.advance(200 * DAY)
    assert made.clock.now() > made.now.targets.signed.expires
    made.refresh(clock_is_right=True)
    refuses(made, made.client(), "targets is expired", keeps=("timestamp", "snapshot"))
    made.clock.advance(-50 * 365 * DAY)
    refuses(made, made.client(), "targets is expired")
    # A host that remembers nothing has only the timestamp at hand.
    with pytest.raises(UntrustedData, match=r"targets\.json is expired"):
        made.client(tmp_path / "nothing remembered").refresh()


def test_the_last_trusted_timestamp_is_a_floor_under_the_clock(made: MadeRepository) -> None:
    made.clock.advance(6 * DAY)
    made.refresh()
    made.client().refresh()
    # Targets that were signed long ago and expired on day 1, announced now by
    # an attacker who has the online key and says nothing about the time.
    made.clock.advance(-185 * DAY)
    made.edit_targets(lambda targets: targets.targets.clear())
    made.clock.advance(185 * DAY)
    made.refresh()
    say_nothing_about_the_time(made)
    made.clock.advance(-50 * 365 * DAY)
    refuses(made, made.client(), "targets is expired", keeps=("timestamp", "snapshot"))


def say_nothing_about_the_time(made: MadeRepository) -> None:
    timestamp = made.now.timestamp.signed
    timestamp.version += 1
    timestamp.unrecognized_fields.clear()
    metadata = Metadata(timestamp)
    metadata.sign(made.keys("timestamp")[0].signer)
    write(made.directory, metadata)


def test_expiry_is_never_judged_by_a_time_before_the_image_was_built(made: MadeRepository) -> None:
    built = made.clock.now() + timedelta(days=8)
    refuses(made, made.client(not_before=built), "expired")


def test_a_clock_ten_years_ahead_does_no_lasting_harm(made: MadeRepository) -> None:
    made.clock.advance(3650 * DAY)
    refuses(made, made.client(), "expired")
    made.clock.advance(-3650 * DAY)
    made.publish("1.0.1")
    assert versions(made.client().refresh()) == ["1.0.0", "1.0.1"]


def test_a_forged_time_in_the_cache_is_not_believed(made: MadeRepository) -> None:
    def forge(document: Any) -> None:
        document["signed"]["x-twinkeel-issued"] = "2090-01-01T00:00:00Z"

    rewritten(made.cache / "timestamp.json", forge)
    assert versions(made.client().refresh()) == ["1.0.0"]
