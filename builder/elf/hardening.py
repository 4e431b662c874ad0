"""How well the programs of an image are built against attacks: a report.

Nothing fails here: most programs are Debian's. What is of use is the list of
exceptions, and its change from release to release.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from builder.elf.scan import Elf

_MEASURES: Mapping[str, Callable[[Elf], bool]] = {
    "pie": lambda elf: elf.pie,
    "nx": lambda elf: elf.nx,
    "relro": lambda elf: elf.relro != "none",
    "bind_now": lambda elf: elf.relro == "full",
    "canary": lambda elf: elf.canary,
}


@dataclass(frozen=True, slots=True)
class Hardening:
    """Which programs lack which measure.

    Attributes:
        programs: number of programs.
        with_measure: programs that have it, by measure.
        without: paths of those that do not, by measure.
    """

    programs: int
    with_measure: Mapping[str, int]
    without: Mapping[str, tuple[str, ...]]


def summary(found: Mapping[str, Elf]) -> Hardening:
    """Count the measures over all programs of a scan; libraries are not counted."""
    programs = {name: elf for name, elf in sorted(found.items()) if elf.program}
    without = {
        measure: tuple(f"/{name}" for name, elf in programs.items() if not has(elf))
        for measure, has in _MEASURES.items()
    }
    counted = {measure: len(programs) - len(names) for measure, names in without.items()}
    return Hardening(len(programs), counted, without)
