"""Jobs of the service manager and how they end."""

from collections.abc import Callable, Sequence

import pytest

from hostio.system.bus import CallRefused, MethodCall
from hostio.system.unitjobs import JobResult, SystemdJobs, UnitJobs, UnitState, Verb
from osmodel.faults import TransientFailure
from tests.fakes.clock import StoppedClock
from tests.fakes.rambus import RamBus
from tests.fakes.ramjobs import RamJobs

NAME = "org.freedesktop.systemd1"
PATH = "/org/freedesktop/systemd1"
MANAGER = f"{NAME}.Manager"
NO_SUCH_UNIT = f"{NAME}.NoSuchUnit"


class Systemd:
    """The manager behind a bus: the job first, its end as a signal afterwards."""

    def __init__(self, states: dict[str, str], results: dict[str, str]) -> None:
        self.states = states
        self.results = results
        self.bus = RamBus(
            {
                f"{NAME} Subscribe": lambda _: (),
                f"{NAME} GetUnit": self._unit,
                f"{NAME} Get": lambda call: [self.states[call.path.rpartition("/")[2]]],
            }
            | {f"{NAME} {verb}": self._job for verb in Verb}
        )
        self._number = 0

    def _unit(self, call: MethodCall) -> Sequence[object]:
        (name,) = map(str, call.body)
        if name not in self.states:
            raise CallRefused(f"D-Bus: Unit {name} not loaded.", error_name=NO_SUCH_UNIT)
        return [f"{PATH}/unit/{name}"]

    def _job(self, call: MethodCall) -> Sequence[object]:
        name, mode = map(str, call.body)
        assert mode == "replace"
        self._unit(MethodCall(NAME, PATH, MANAGER, "GetUnit", "s", [name]))
        self._number += 1
        job = f"{PATH}/job/{self._number}"
        result = self.results.get(name, "done")
        if result == "done":
            self.states[name] = "inactive" if call.member == "StopUnit" else "active"
        if result == "failed":
            self.states[name] = "failed"
        if result != "never":
            self._removed(77, f"{PATH}/job/77", "other.service", "failed")
            self._removed(self._number, job, name, result)
        return [job]

    def _removed(self, number: int, job: str, unit: str, result: str) -> None:
        self.bus.emit(NAME, PATH, MANAGER, "JobRemoved", [number, job, unit, result])


Make = Callable[[dict[str, str], dict[str, str]], UnitJobs]


def over_the_bus(states: dict[str, str], results: dict[str, str]) -> UnitJobs:
    bus = Systemd(states, results).bus
    return SystemdJobs(bus, bus.clock)


def in_memory(states: dict[str, str], results: dict[str, str]) -> UnitJobs:
    return RamJobs(
        {name: UnitState(state) for name, state in states.items()},
        {name: JobResult(result) for name, result in results.items()},
    )


@pytest.fixture(params=[over_the_bus, in_memory])
def make(request: pytest.FixtureRequest) -> Make:
    found: Make = request.param
    return found


def test_a_job_that_is_done_leaves_the_unit_active(make: Make) -> None:
    jobs = make({"a.service": "inactive"}, {})
    assert jobs.run(Verb.START, "a.service", timeout=9) is JobResult.DONE
    assert jobs.state("a.service") is UnitState.ACTIVE
    assert jobs.run(Verb.STOP, "a.service", timeout=9) is JobResult.DONE
    assert jobs.state("a.service") is UnitState.INACTIVE


@pytest.mark.parametrize("result", ["failed", "timeout", "dependency", "canceled", "skipped"])
def test_a_job_ends_as_the_manager_says(make: Make, result: str) -> None:
    jobs = make({"a.service": "inactive"}, {"a.service": result})
    assert jobs.run(Verb.START, "a.service", timeout=9) is JobResult(result)


def test_a_unit_that_is_not_there_is_a_refusal(make: Make) -> None:
    jobs = make({}, {})
    assert jobs.state("a.service") is UnitState.MISSING
    with pytest.raises(CallRefused) as told:
        jobs.run(Verb.START, "a.service", timeout=9)
    assert told.value.error_name == NO_SUCH_UNIT


def test_a_word_of_a_later_manager_is_other() -> None:
    jobs = over_the_bus({"a.service": "inactive"}, {"a.service": "postponed"})
    assert jobs.run(Verb.START, "a.service", timeout=9) is JobResult.OTHER


def test_a_job_that_does_not_end_is_waited_for_no_longer_than_asked() -> None:
    bus = Systemd({"a.service": "inactive"}, {"a.service": "never"}).bus
    with pytest.raises(TransientFailure, match=r"StartUnit has not ended in 9 s"):
        SystemdJobs(bus, bus.clock).run(Verb.START, "a.service", timeout=9)
    assert bus.clock.monotonic() == 9


def test_the_manager_is_asked_once_to_tell_of_jobs() -> None:
    bus = Systemd({"a.service": "inactive"}, {}).bus
    jobs = SystemdJobs(bus, StoppedClock())
    for verb in (Verb.START, Verb.STOP):
        jobs.run(verb, "a.service", timeout=9)
    assert [call.member for call in bus.calls] == ["Subscribe", "StartUnit", "StopUnit"]


def test_no_manager_is_transient() -> None:
    with pytest.raises(TransientFailure):
        SystemdJobs(RamBus({}), StoppedClock()).run(Verb.START, "a.service", timeout=9)
