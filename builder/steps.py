"""Steps of a build, each remembered under the digest of everything it reads.

A step is named by its inputs: the digests of the steps before it, of files and
of definition parts, and of the modules that carry it out. Change a file of an
overlay and only the steps below it run again; change the code of a step and
that step does.

Source of the idea: content-addressed derivations, as in Nix and osbuild.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from builder.cache import Cache
from builder.image import sparsefile
from builder.progress import Outcome, Report
from hostio.system.clock import Clock
from osmodel.faults import Fault, HostFailure

_KIND = "steps"
_KEY_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Step:
    """One step, before or after it ran.

    Attributes:
        name: of the step, for people and the cache.
        inputs: whatever ``make`` depends on, as JSON values.
        code: the modules ``make`` runs, whose sources are inputs as well.
        make: fills an empty directory.
    """

    name: str
    inputs: Mapping[str, object]
    code: tuple[ModuleType, ...]
    make: Callable[[Path], None]
    key: str = field(init=False)

    def __post_init__(self) -> None:
        # Known before anything runs, since it names inputs and not results:
        # that is what lets a whole build be planned.
        object.__setattr__(self, "key", digest([self.name, self.inputs, code_digest(self.code)]))

    @property
    def entry(self) -> str:
        """Name in the cache."""
        return f"{self.name}-{self.key}"


@dataclass(frozen=True, slots=True)
class Steps:
    """Runs steps that are not in the cache yet.

    Attributes:
        cache: of finished steps.
        clock: times them.
        report: tells people.
    """

    cache: Cache
    clock: Clock
    report: Report

    def place(self, step: Step) -> Path:
        """The directory of a step's result; never written to once it is there."""
        return self.cache.place(_KIND, step.entry)

    def ready(self, step: Step) -> bool:
        """Whether the result is there already."""
        return self.cache.ready(_KIND, step.entry)

    def run(self, step: Step) -> Path:
        """The result of a step, made now if nobody made it before.

        Raises:
            Fault: of ``make``; see :meth:`timed`.
        """
        if self.ready(step):
            self.report.begin(step.name)
            self.report.end(step.name, 0.0, Outcome.CACHED)
        else:
            self.timed(step.name, lambda: self.cache.entry(_KIND, step.entry, step.make))
        return self.place(step)

    def timed(self, name: str, work: Callable[[], object]) -> None:
        """Run and report work that is not cached.

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


def digest(parts: object) -> str:
    """Name of some JSON values in the cache: 32 hex digits."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_DIGITS]


def code_digest(modules: Iterable[ModuleType]) -> str:
    """Digest of the sources of some modules."""
    total = hashlib.sha256()
    for module in sorted(modules, key=lambda item: item.__name__):
        assert module.__file__ is not None, module
        total.update(module.__name__.encode() + b"\0")
        total.update(Path(module.__file__).read_bytes())
    return total.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits."""
    return sparsefile.sha256(path)


def tree_digest(root: Path) -> str:
    """Digest of names, kinds, execute permissions and contents below ``root``.

    Owners, times and the finer permissions are left out: a checkout does not
    keep them, so nothing made from it may depend on them.
    """
    total = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if "__pycache__" in path.parts:
            continue
        status = path.lstat()
        content = ""
        if stat.S_ISLNK(status.st_mode):
            content = str(path.readlink())
        elif stat.S_ISREG(status.st_mode):
            content = file_digest(path)
        mark = "x" if status.st_mode & stat.S_IXUSR else "-"
        line = [path.relative_to(root).as_posix(), stat.S_IFMT(status.st_mode), mark, content]
        total.update(os.fsencode(json.dumps(line)) + b"\n")
    return total.hexdigest()
