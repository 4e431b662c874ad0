"""Lives the stories in the background, two at a time, while the tests wait for them."""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from builder.machine.cli import choose, local_world
from tests.qemu import stories
from tests.qemu.diary import Diary
from tests.qemu.stage import Stage
from tests.qemu.workshop import ROOT, Workshop

STORIES: Mapping[str, Callable[[Stage], None]] = {
    "bad_versions": stories.bad_versions,
    "life": stories.life,
    "node": stories.node,
}
"""The longest first."""

OUT = ROOT / "out" / "qemu"
_SIDE_BY_SIDE = 2
_LOGS = ("*.log", "*.jsonl", "diary.txt")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.qemu)


@pytest.fixture(scope="session")
def diaries(request: pytest.FixtureRequest) -> Iterator[Mapping[str, Diary]]:
    """The diaries of the stories that the chosen tests ask for."""
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    world = local_world()
    with tempfile.TemporaryDirectory(prefix="twinkeel-") as name:
        directory = Path(name)
        workshop = Workshop(OUT)
        accel = choose("auto", world, directory)
        stages: dict[str, Stage] = {}
        for story in (story for story in STORIES if story in wanted):
            place = directory / story
            place.mkdir()
            diary = Diary(place / "diary.txt")
            stages[story] = Stage(story, workshop, world, accel, place, diary)
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            for story, stage in stages.items():
                pool.submit(stage.diary.live, partial(STORIES[story], stage))
            try:
                yield {story: stage.diary for story, stage in stages.items()}
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                for guest in (guest for stage in stages.values() for guest in stage.machines):
                    guest.close()
                _keep_logs(stages.values())


def _keep_logs(stages: Iterable[Stage]) -> None:
    for stage in stages:
        kept = OUT / stage.name
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for pattern in _LOGS:
            for path in stage.directory.glob(pattern):
                shutil.copy(path, kept)


@pytest.fixture(scope="session")
def life(diaries: Mapping[str, Diary]) -> Diary:
    return diaries["life"]


@pytest.fixture(scope="session")
def bad_versions(diaries: Mapping[str, Diary]) -> Diary:
    return diaries["bad_versions"]


@pytest.fixture(scope="session")
def node(diaries: Mapping[str, Diary]) -> Diary:
    return diaries["node"]
