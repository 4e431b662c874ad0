"""Lives the stories in the background, two at a time, while the tests wait for them."""

import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from builder.machine import boards
from builder.machine.boards import Board
from builder.machine.cli import choose, local_world
from builder.machine.world import World
from osmodel.platforms import TARGETS, Platform, Target
from tests.checkout import ROOT
from tests.qemu import armstories, firstboot, stories
from tests.qemu.diary import Diary
from tests.qemu.stage import Stage
from tests.qemu.workshop import Workshop


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
_DIARIES = pytest.StashKey[Future[Mapping[str, Diary]]]()
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


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Live the stories that the chosen tests ask for, from the first test of any kind on."""
    asked = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    plays = {name: play for name, play in PLAYS.items() if name in asked}
    if not plays or session.config.option.collectonly:
        return (yield)
    target_name = session.config.getoption("--target")
    with (
        tempfile.TemporaryDirectory(prefix="twinkeel-") as top,
        _lived(plays, Path(top), target_name) as diaries,
    ):
        session.config.stash[_DIARIES] = diaries
        return (yield)


@pytest.fixture(scope="session")
def diaries(request: pytest.FixtureRequest) -> Mapping[str, Diary]:
    """The diaries of the stories, by name; most of them are still being written."""
    return request.config.stash[_DIARIES].result()


@contextmanager
def _lived(
    plays: Mapping[str, Play], top: Path, target_name: str
) -> Iterator[Future[Mapping[str, Diary]]]:
    stages: dict[str, Stage] = {}
    actors = ThreadPoolExecutor(_SIDE_BY_SIDE)

    def begin() -> Mapping[str, Diary]:
        # The tools tree and the trial of the acceleration take their time.
        world = local_world()
        for name, play in plays.items():
            stages[name] = _stage(name, play, top, world, target_name)
        for name, stage in stages.items():
            actors.submit(stage.diary.live, partial(plays[name].story, stage))
        return {name: stage.diary for name, stage in stages.items()}

    usher = ThreadPoolExecutor(1)
    try:
        yield usher.submit(begin)
    finally:
        usher.shutdown(cancel_futures=True)
        actors.shutdown(wait=False, cancel_futures=True)
        for guest in (guest for stage in stages.values() for guest in stage.machines):
            guest.close()
        actors.shutdown()
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
