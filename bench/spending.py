"""How much time a piece of work takes: wall clock, and processor time of all it starts.

Build tools run in sandboxes whose first process outlives the one that was
called, so the kernel would forget their processor time. The measuring process
therefore adopts orphans and waits for them before it reads the clock.

Source: Linux, prctl(2) PR_SET_CHILD_SUBREAPER; getrusage(2).
"""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hostio.system.clock import SystemClock
from osmodel.faults import HostFailure

_PR_SET_CHILD_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Spent:
    """What a piece of work took.

    Attributes:
        wall: seconds.
        cpu: seconds of user and system time, over all processes.
    """

    wall: float
    cpu: float


def measured(work: Callable[[], object]) -> Spent:
    """Run ``work`` and say what it and every program it started took.

    Raises:
        HostFailure: the kernel does not let this process adopt orphans.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise HostFailure(f"cannot adopt orphans: {os.strerror(ctypes.get_errno())}")
    _wait_for_orphans()  # of earlier work, which must not count here
    clock = SystemClock()
    started, before = clock.monotonic(), _processor_seconds()
    work()
    wall = clock.monotonic() - started
    _wait_for_orphans()
    return Spent(wall, _processor_seconds() - before)


def family_cpu(pid: int) -> float:
    """Processor seconds of a running process and all its running descendants."""
    parents = {}
    seconds = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = entry.read_text()
        except OSError:
            continue  # it has ended
        fields = text.rpartition(")")[2].split()
        number = int(entry.parent.name)
        parents[number] = int(fields[1])
        seconds[number] = (int(fields[11]) + int(fields[12])) / _TICKS
    family = {pid}
    while grown := {child for child, parent in parents.items() if parent in family} - family:
        family |= grown
    return sum(seconds.get(number, 0.0) for number in family)


def _processor_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _wait_for_orphans() -> None:
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
