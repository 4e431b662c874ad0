"""Lives the stories in the background, two at a time, while the tests wait for them."""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from builder.machine import boards
from builder.machine.boards import Board
from builder.machine.cli import choose, local_world
from builder.machine.world import World
from osmodel.platforms import TARGETS, Platform, Target
from tests.qemu import armstories, firstboot, stories
from tests.qemu.diary import Diary
from tests.qemu.stage import Stage
from tests.qemu.workshop import ROOT, Workshop


@dataclass(frozen=True, slots=True)
class Play:
    """How a story is lived.

    Attributes:
        story: what happens.
        target: what the images are for; what ``--target`` says if there is none.
        board: the machine; the usual one for the images if there is none.
    """

    story: Callable[[Stage], None]
    target: Target | None = None
    board: Board | None = None


PI = Target("arm64", Platform.RASPBERRYPI)
PLAYS: Mapping[str, Play] = {
    "bad_versions": Play(stories.bad_versions),
    "life": Play(stories.life),
    "pi": Play(armstories.pi, PI),
    "arm": Play(armstories.arm, Target("arm64")),
    "raspi3b": Play(armstories.smoke, PI, Board.RASPI3B),
    "nocloud": Play(firstboot.nocloud),
    "credential": Play(firstboot.credential),
    "metadata": Play(firstboot.metadata),
    "node": Play(stories.node),
}
"""The longest first."""

OUT = ROOT / "out" / "qemu"
_SIDE_BY_SIDE = 2
_LOGS = ("*.log", "*.jsonl", "diary.txt")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--target",
        choices=[target.lock_name for target in TARGETS],
        default=TARGETS[0].lock_name,
        help="the images that the stories of every machine are about",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.qemu)


@pytest.fixture(scope="session")
def diaries(request: pytest.FixtureRequest) -> Iterator[Mapping[str, Diary]]:
    """The diaries of the stories that the chosen tests ask for."""
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    world = local_world()
    with tempfile.TemporaryDirectory(prefix="twinkeel-") as top:
        stages = {
            name: _stage(name, play, Path(top), world, request.config.getoption("--target"))
            for name, play in PLAYS.items()
            if name in wanted
        }
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            for name, stage in stages.items():
                pool.submit(stage.diary.live, partial(PLAYS[name].story, stage))
            try:
                yield {name: stage.diary for name, stage in stages.items()}
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                for guest in (guest for stage in stages.values() for guest in stage.machines):
                    guest.close()
                _keep_logs(stages.values())


def _stage(name: str, play: Play, top: Path, world: World, target_name: str) -> Stage:
    (usual,) = (target for target in TARGETS if target.lock_name == target_name)
    target = play.target or usual
    board = boards.choose(target, play.board)
    place = top / name
    place.mkdir()
    accel = choose("auto", world, place, board)
    diary = Diary(place / "diary.txt")
    return Stage(name, Workshop(OUT, target), world, board, accel, place, diary)


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
def arm(diaries: Mapping[str, Diary]) -> Diary:
    return diaries["arm"]


@pytest.fixture(scope="session")
def pi(diaries: Mapping[str, Diary]) -> Diary:
    return diaries["pi"]


@pytest.fixture(scope="session")
def raspi3b(diaries: Mapping[str, Diary]) -> Diary:
    return diaries["raspi3b"]


@pytest.fixture(scope="session")
def node(diaries: Mapping[str, Diary]) -> Diary:
    return diaries["node"]


@pytest.fixture(scope="session")
def nocloud(diaries: Mapping[str, Diary]) -> Diary:
    return diaries["nocloud"]


@pytest.fixture(scope="session")
def credential(diaries: Mapping[str, Diary]) -> Diary:
    return diaries["credential"]


@pytest.fixture(scope="session")
def metadata(diaries: Mapping[str, Diary]) -> Diary:
    return diaries["metadata"]
