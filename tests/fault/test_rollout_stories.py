"""Five hundred simulated roll-outs in which nearly everything goes wrong.

More of them: ``python -m bench.rollout --seeds 5000 --hosts 100``.
"""

import pytest

from bench.rollout import calm_story, play, story_of

pytestmark = pytest.mark.slow
BLOCK = 25
HOSTS = 10


@pytest.mark.parametrize("first", range(1, 501, BLOCK))
def test_no_story_breaks_a_promise(first: int) -> None:
    for seed in range(first, first + BLOCK):
        course = play(story_of(seed, HOSTS))
        again = f"python -m bench.rollout --first {seed} --seeds 1 --hosts {HOSTS}"
        details = "\n".join((f"{course.broken}; {again}", str(course.story), *course.lines[-80:]))
        assert not course.broken, details


def test_a_story_repeats() -> None:
    assert play(story_of(7, HOSTS)) == play(story_of(7, HOSTS))


def test_the_store_is_asked_as_often_per_host_in_a_large_fleet_as_in_a_small_one() -> None:
    small, large = (play(calm_story(hosts, 3), calm=True) for hosts in (50, 400))
    assert not small.broken
    assert not large.broken
    assert large.operations / 400 < 1.5 * small.operations / 50
