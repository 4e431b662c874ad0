"""Take out one line at a time and see the tests fail that are there for it.

``python -m tests.mutants`` reads ``tests/mutants.toml``, copies the checkout and
tries every mutant whose name contains all words given as arguments. It ends
with 1 and names those that no test noticed, and with 2 if time is over.
"""

import argparse
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hostio.system.clock import SystemClock
from hostio.system.runner import Command, LocalRunner
from osmodel.faults import HostFailure
from tests.checkout import ROOT

LIST = ROOT / "tests/mutants.toml"
_EACH = 120.0  # seconds for the tests of one mutant
_RUNNER = LocalRunner()


@dataclass(frozen=True)
class Mutant:
    """One change.

    Attributes:
        name: what it takes away.
        file: where, below the checkout.
        line: text that occurs once in it.
        instead: what takes its place.
        tests: at least one of them must fail.
    """

    name: str
    file: str
    line: str
    tests: Sequence[str] = field(default_factory=tuple)
    instead: str = ""

    def applied(self, text: str) -> str:
        """The file with the change.

        Raises:
            ValueError: the line is not there, or more than once.
        """
        if text.count(self.line) != 1:
            raise ValueError(f"{self.file}: {text.count(self.line)} times: {self.line.strip()}")
        indent = self.line[: len(self.line) - len(self.line.lstrip(" "))]
        return text.replace(self.line, self.instead or f"{indent}pass")


def load() -> list[Mutant]:
    """All of the list."""
    return [Mutant(**row) for row in tomllib.loads(LIST.read_text(encoding="utf-8"))["mutant"]]


def copied_checkout(place: Path) -> Path:
    """Copy the files of this checkout, also those that are not committed yet."""
    listing = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"]
    for name in _RUNNER.run(Command(listing)).decode().split("\0"):
        source = ROOT / name
        if name and source.is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, place / name)
    return place


def fails(checkout: Path, tests: Sequence[str]) -> bool:
    """Whether one of the tests fails in ``checkout``."""
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    argv = [sys.executable, "-m", "pytest", *options, *tests]
    try:
        found = _RUNNER.run(
            Command(argv, cwd=checkout, timeout=_EACH, env={"PYTHONDONTWRITEBYTECODE": "1"})
        )
    except HostFailure:
        return True
    if b"skipped" in found.splitlines()[-1]:
        sys.exit(f"tests were skipped, which shows nothing: {' '.join(tests)}")
    return False


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("words", nargs="*", help="try only mutants with these words")
    parser.add_argument("--minutes", type=float, default=20.0, help="time for all of them")
    options = parser.parse_args()
    wanted = [one for one in load() if all(word in one.name for word in options.words)]
    clock = SystemClock()
    until = clock.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        checkout = copied_checkout(Path(place))
        tests = sorted({test for mutant in wanted for test in mutant.tests})
        if fails(checkout, tests):
            sys.exit("the tests fail without any mutant")
        survivors = []
        for number, mutant in enumerate(wanted, 1):
            if clock.monotonic() > until:
                sys.stderr.write(f"time is over: {len(wanted) - number + 1} were not tried\n")
                return 2
            path = checkout / mutant.file
            original = path.read_text(encoding="utf-8")
            path.write_text(mutant.applied(original), encoding="utf-8")
            dead = fails(checkout, mutant.tests)
            path.write_text(original, encoding="utf-8")
            sys.stdout.write(f"{'dead' if dead else 'ALIVE':6}{mutant.name}\n")
            sys.stdout.flush()
            survivors += [] if dead else [mutant.name]
    sys.stdout.write(f"{len(wanted) - len(survivors)} of {len(wanted)} mutants are dead\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
