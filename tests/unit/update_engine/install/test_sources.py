"""Choosing a release, and of its payloads one that this machine can apply."""

from dataclasses import replace

import pytest

from osmodel.repository import Offer, OfferedPayload, target_path
from tests.fakes.ramsystem import NEW, NEXT, RamReleases, RamSystem, factory_media
from update_engine.install.sources import FromRepository, applicable
from update_engine.worker import host_of

HERE, ELSEWHERE = "12" * 32, "34" * 32


def payload(size: int, source: str | None = None) -> OfferedPayload:
    return OfferedPayload(target_path(NEW.release, source), size, {"sha256": "00" * 32}, source)


FULL, DELTA, FOREIGN = payload(1000), payload(10, HERE), payload(1, ELSEWHERE)
OFFER = Offer(NEW.release, (FOREIGN, FULL, DELTA))


def test_only_full_payloads_start_from_nothing() -> None:
    assert applicable([OFFER]) == {NEW.release: FULL}


def test_of_those_that_can_be_applied_the_smallest_is_taken() -> None:
    assert applicable([OFFER], {None, HERE}) == {NEW.release: DELTA}
    larger = replace(DELTA, length=2000)
    assert applicable([Offer(NEW.release, (larger, FULL))], {None, HERE}) == {NEW.release: FULL}


def test_a_release_that_only_others_can_reach_is_not_for_this_machine() -> None:
    assert applicable([Offer(NEW.release, (FOREIGN, DELTA))]) == {}


class DeltasOnly(RamReleases):
    """Offers its newest release only to machines that run something else."""

    def refresh(self) -> tuple[Offer, ...]:
        *older, newest = super().refresh()
        return (*older, replace(newest, payloads=(FOREIGN,)))


@pytest.mark.parametrize("ram_releases", [RamReleases, DeltasOnly])
def test_a_newer_release_without_a_fitting_payload_does_not_hide_an_older_one(
    ram_releases: type[RamReleases],
) -> None:
    system = RamSystem(factory_media())
    state = system.world.store.state()
    found = FromRepository(ram_releases(NEW, NEXT)).find(host_of(system.world, state))
    assert found.choice.release == (NEXT if ram_releases is RamReleases else NEW).release
    assert found.size == 1000
