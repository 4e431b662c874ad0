"""Runs scenarios in the background, two at a time, while tests wait for what they observe."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from builder.machine import boards
from builder.machine.boards import Board
from builder.machine.cli import choose, local_world
from builder.machine.world import MachineWorld
from osmodel.platforms import TARGETS, Target
from tests.checkout import ROOT
from tests.qemu.observations import Observations
from tests.qemu.releases import Releases
from tests.qemu.testbed import Testbed

OUT = ROOT / "out" / "qemu"
_SIDE_BY_SIDE = 2
_LOGS = ("*.log", "*.jsonl", "observations.txt")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario and the machine that it runs on.

    Attributes:
        run: operates the machine.
        target: what the images are for; what ``--target`` says if there is none.
        board: the kind of machine; the usual one for the images if there is none.
    """

    run: Callable[[Testbed], None]
    target: Target | None = None
    board: Board | None = None


@contextmanager
def running(
    scenarios: Mapping[str, Scenario], top: Path, target_name: str
) -> Iterator[Future[Mapping[str, Observations]]]:
    """Run the scenarios, in their order; at the end of the block all of them are ended.

    Args:
        scenarios: by name.
        top: empty directory for their files, with a short path.
        target_name: the usual target.
    """
    testbeds: dict[str, Testbed] = {}
    workers = ThreadPoolExecutor(_SIDE_BY_SIDE)

    def begin() -> Mapping[str, Observations]:
        # The tools tree and the trial of the acceleration take their time.
        world = local_world()
        for name, scenario in scenarios.items():
            testbeds[name] = _testbed(name, scenario, top, world, target_name)
        for name, testbed in testbeds.items():
            workers.submit(testbed.observed.run, partial(scenarios[name].run, testbed))
        return {name: testbed.observed for name, testbed in testbeds.items()}

    starter = ThreadPoolExecutor(1)
    try:
        yield starter.submit(begin)
    finally:
        starter.shutdown(cancel_futures=True)
        workers.shutdown(wait=False, cancel_futures=True)
        for guest in (guest for testbed in testbeds.values() for guest in testbed.machines):
            guest.close()
        workers.shutdown()
        _keep_logs(testbeds.values())


def _testbed(
    name: str, scenario: Scenario, top: Path, world: MachineWorld, target_name: str
) -> Testbed:
    (usual,) = (target for target in TARGETS if target.lock_name == target_name)
    target = scenario.target or usual
    board = boards.choose(target, scenario.board)
    place = top / name
    place.mkdir()
    accel = choose("auto", world, place, board)
    observed = Observations(place / "observations.txt")
    return Testbed(name, Releases(OUT, target), world, board, accel, place, observed)


def _keep_logs(testbeds: Iterable[Testbed]) -> None:
    for testbed in testbeds:
        kept = OUT / testbed.name
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for pattern in _LOGS:
            for path in testbed.directory.glob(pattern):
                shutil.copy(path, kept)
