"""Steps of a build, each remembered under the digest of everything it reads.

A step is named by its inputs: the results of steps before it, files, parts of the
definition, and the modules that carry it out. Change a file of an overlay and
only the steps below it run again; change the code of a step and that step does.

Source of the idea: content-addressed derivations, as in Nix and osbuild.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from builder.cache import Cache
from builder.inputs import OWN_KEY, Named, digest, values_of, work_identity
from builder.progress import Outcome, Report
from hostio.system.clock import Clock
from osmodel.faults import Fault, HostFailure

_KIND = "steps"

Work = Callable[..., object]


class Shelf(Protocol):
    """Where results are kept; one that is there is whole."""

    def place(self, step: Step) -> Path:
        """The directory of a result, there or not."""
        ...

    def ready(self, step: Step) -> bool:
        """Whether the result is there."""
        ...

    def fill(self, step: Step) -> None:
        """Make the result unless it is there; builds that want the same one wait."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One step, before or after it ran.

    Attributes:
        name: of the step, for progress and the cache.
        work: a function of a module that fills the empty directory ``out``; it and
            all that its module imports are part of the key.
        inputs: what ``work`` is given, by name: plain values and
            :class:`builder.inputs.Input`.
        shelf: where the result goes instead of the usual place.
    """

    name: str
    work: Work
    inputs: Mapping[str, object]
    shelf: Shelf | None = None
    key: str = field(init=False)

    def __post_init__(self) -> None:
        # Known before anything runs, since it names inputs and not results:
        # that is what lets a whole build be planned.
        object.__setattr__(self, "key", digest([self.name, work_identity(self.work, self.inputs)]))

    @property
    def entry(self) -> str:
        """Name in the cache."""
        return f"{self.name}-{self.key}"

    def make(self, out: Path) -> None:
        """Fill the empty directory ``out``."""
        values = values_of(self.inputs)
        own = {name: self.key for name, value in values.items() if value is OWN_KEY}
        self.work(**{**values, **own}, out=out)


@dataclass(frozen=True, slots=True)
class CacheShelf:
    """Keeps results in the cache; never written to once they are there."""

    cache: Cache

    def place(self, step: Step) -> Path:
        """See :meth:`Shelf.place`."""
        return self.cache.place(_KIND, step.entry)

    def ready(self, step: Step) -> bool:
        """See :meth:`Shelf.ready`."""
        return self.cache.ready(_KIND, step.entry)

    def fill(self, step: Step) -> None:
        """See :meth:`Shelf.fill`."""
        self.cache.entry(_KIND, step.entry, step.make)


@dataclass(frozen=True, slots=True)
class Steps:
    """Runs steps whose results are not there yet.

    Attributes:
        cache: of finished steps.
        clock: times them.
        report: told of progress.
    """

    cache: Cache
    clock: Clock
    report: Report

    def place(self, step: Step) -> Path:
        """The directory of a step's result."""
        return self._shelf(step).place(step)

    def ready(self, step: Step) -> bool:
        """Whether the result is there already."""
        return self._shelf(step).ready(step)

    def result(self, step: Step, path: str = ".") -> Named:
        """A step's result, or a file or directory in it, as the input of another step."""
        return Named(self.place(step) / path, [step.key, path])

    def run(self, step: Step) -> Path:
        """The result of a step, made if it is not there.

        Raises:
            Fault: of the step's work; see :meth:`timed`.
        """
        if self.ready(step):
            self.report.begin(step.name)
            self.report.end(step.name, 0.0, Outcome.CACHED)
        else:
            self.timed(step.name, lambda: self._shelf(step).fill(step))
        return self.place(step)

    def timed(self, name: str, work: Callable[[], object]) -> None:
        """Run and report work; it may itself consist of timed parts.

        Raises:
            Fault: of ``work``, with ``name`` before it; a failure of the
                operating system is one of the host.
        """
        started = self.clock.monotonic()
        outcome = Outcome.FAILED
        self.report.begin(name)
        try:
            work()
            outcome = Outcome.DONE
        except Fault as fault:
            raise type(fault)(f"step {name}: {fault}", hint=fault.hint) from fault
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise HostFailure(f"step {name}: {where}{error.strerror}") from error
        finally:
            self.report.end(name, self.clock.monotonic() - started, outcome)

    def _shelf(self, step: Step) -> Shelf:
        return step.shelf or CacheShelf(self.cache)
