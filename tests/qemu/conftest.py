"""The scenarios as fixtures: each runs once, in the background, for all tests that name it."""

import tempfile
from collections.abc import Generator, Mapping
from concurrent.futures import Future
from pathlib import Path

import pytest

from builder.machine.boards import Board
from osmodel.platforms import TARGETS, Platform, Target
from tests.qemu import armscenarios, background, firstbootscenarios, scenarios
from tests.qemu.background import Scenario
from tests.qemu.observations import Observations

RASPBERRYPI = Target("arm64", Platform.RASPBERRYPI)
SCENARIOS: Mapping[str, Scenario] = {
    "bad_versions": Scenario(scenarios.bad_versions),
    "lifecycle": Scenario(scenarios.lifecycle),
    "raspberrypi": Scenario(armscenarios.raspberrypi, RASPBERRYPI),
    "arm": Scenario(armscenarios.arm, Target("arm64")),
    "raspi3b": Scenario(armscenarios.smoke, RASPBERRYPI, Board.RASPI3B),
    "nocloud": Scenario(firstbootscenarios.nocloud),
    "credential": Scenario(firstbootscenarios.credential),
    "metadata": Scenario(firstbootscenarios.metadata),
    "node": Scenario(scenarios.node),
}
"""By the name of their fixture, the longest first."""

_OBSERVATIONS = pytest.StashKey[Future[Mapping[str, Observations]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--target",
        choices=[target.lock_name for target in TARGETS],
        default=TARGETS[0].lock_name,
        help="the images that the scenarios of every machine are about",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.qemu)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Run the scenarios that the chosen tests ask for, from the first test of any kind on."""
    asked = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    wanted = {name: scenario for name, scenario in SCENARIOS.items() if name in asked}
    if not wanted or session.config.option.collectonly:
        return (yield)
    target_name = session.config.getoption("--target")
    with (
        tempfile.TemporaryDirectory(prefix="twinkeel-") as top,
        background.running(wanted, Path(top), target_name) as observations,
    ):
        session.config.stash[_OBSERVATIONS] = observations
        return (yield)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how long each scenario ran."""
    started = config.stash.get(_OBSERVATIONS, None)
    if started is None or started.cancelled() or started.exception() is not None:
        return
    terminalreporter.section("scenarios on machines, in minutes and seconds")
    for name, observed in started.result().items():
        minutes, seconds = divmod(round(observed.duration), 60)
        terminalreporter.write_line(f"{minutes:3d}:{seconds:02d}  {name}")


@pytest.fixture(scope="session")
def observations(request: pytest.FixtureRequest) -> Mapping[str, Observations]:
    """What the scenarios observe, by their name; most of them are still running."""
    return request.config.stash[_OBSERVATIONS].result()


@pytest.fixture(scope="session")
def lifecycle(observations: Mapping[str, Observations]) -> Observations:
    return observations["lifecycle"]


@pytest.fixture(scope="session")
def bad_versions(observations: Mapping[str, Observations]) -> Observations:
    return observations["bad_versions"]


@pytest.fixture(scope="session")
def arm(observations: Mapping[str, Observations]) -> Observations:
    return observations["arm"]


@pytest.fixture(scope="session")
def raspberrypi(observations: Mapping[str, Observations]) -> Observations:
    return observations["raspberrypi"]


@pytest.fixture(scope="session")
def raspi3b(observations: Mapping[str, Observations]) -> Observations:
    return observations["raspi3b"]


@pytest.fixture(scope="session")
def node(observations: Mapping[str, Observations]) -> Observations:
    return observations["node"]


@pytest.fixture(scope="session")
def nocloud(observations: Mapping[str, Observations]) -> Observations:
    return observations["nocloud"]


@pytest.fixture(scope="session")
def credential(observations: Mapping[str, Observations]) -> Observations:
    return observations["credential"]


@pytest.fixture(scope="session")
def metadata(observations: Mapping[str, Observations]) -> Observations:
    return observations["metadata"]
