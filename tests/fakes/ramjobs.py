"""A service manager in memory: the fake of ``hostio.system.unitjobs.UnitJobs``."""

from collections.abc import Mapping

from hostio.system.bus import CallRefused
from hostio.system.unitjobs import JobResult, UnitState, Verb


class RamJobs:
    """Units that do as they are told, but for those a test says otherwise of.

    Args:
        units: the units there are, with their states.
        results: how a unit's jobs end; ``done`` for those not named.
    """

    def __init__(
        self, units: Mapping[str, UnitState], results: Mapping[str, JobResult] = {}
    ) -> None:
        self.units = dict(units)
        self.results = dict(results)
        self.jobs: list[tuple[Verb, str]] = []

    def run(self, verb: Verb, unit: str, *, timeout: float) -> JobResult:
        del timeout
        self.jobs.append((verb, unit))
        if unit not in self.units:
            name = "org.freedesktop.systemd1.NoSuchUnit"
            raise CallRefused(f"D-Bus: Unit {unit} not found.", error_name=name)
        result = self.results.get(unit, JobResult.DONE)
        if result is JobResult.DONE:
            stopped = verb is Verb.STOP
            self.units[unit] = UnitState.INACTIVE if stopped else UnitState.ACTIVE
        elif result is JobResult.FAILED:
            self.units[unit] = UnitState.FAILED
        return result

    def state(self, unit: str) -> UnitState:
        return self.units.get(unit, UnitState.MISSING)
