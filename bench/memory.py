"""Weighs what runs on an idle machine: every process by its proportional set size.

The machine is booted, left alone until it is idle, and asked over SSH. The
session that asks is left out. Nothing of the update engine should be resident
between checks, and no Python at all.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench import tables
from bench.tables import Row, Series, Table
from builder.machine.cli import choose, local_world
from builder.machine.guest import Machine, machine
from builder.machine.hardware import Hardware
from hostio.net.localsocket import free_port

_COLUMNS = ("processes", "PSS MiB", "of it private MiB")
_DISK_SIZE = 8 << 30
_IDLE = 120.0  # seconds; a D-Bus service started at boot has gone by then
_AIM_MIB = 40
_LISTER = Path(__file__).with_name("tasklist.py")
_OURS = ("/usr/lib/update-engine/", "/usr/lib/twinkeel/", "/usr/bin/update-ctl")


@dataclass(frozen=True, slots=True)
class Task:
    """One process of the guest; sizes in KiB."""

    cgroup: str
    pss: int
    private: int
    command: str

    @property
    def service(self) -> str:
        """The unit it belongs to."""
        name = self.cgroup.rstrip("/").rpartition("/")[2]
        return "systemd (PID 1)" if name == "init.scope" else name

    @property
    def is_ours(self) -> bool:
        """Whether this project wrote the program."""
        return any(path in self.command for path in _OURS)

    @property
    def is_python(self) -> bool:
        """Whether a Python interpreter runs it."""
        return "python" in self.command.split(" ")[0]


def tasks(listing: str) -> list[Task]:
    """The processes of a listing, without sessions of people."""
    found = [Task(**entry) for entry in json.loads(listing)]
    return [task for task in found if not task.cgroup.startswith("/user.slice/")]


def weigh(options: argparse.Namespace) -> Table:
    """Boot, wait and ask."""
    world, release = local_world(), options.release.resolve()
    with tempfile.TemporaryDirectory(prefix="twinkeel-") as name:
        scratch = Path(name)
        accel = choose("auto", world, scratch)
        hardware = Hardware(accel=accel.accel, ssh_port=free_port(), memory_mib=options.memory)
        place = scratch / "m"
        with machine(world, release, place, hardware, disk_size=_DISK_SIZE) as guest:
            guest.start()
            guest.wait_ready()
            world.clock.sleep(options.idle)
            guest.send(_LISTER.read_bytes(), "/run/tasklist.py")
            found = tasks(guest.ssh("python3 -I /run/tasklist.py"))
            used = _used(guest)
            guest.shutdown()
    return Table(f"Memory of {release.name}, idle", _COLUMNS, tuple(_rows(found)), _notes(used))


def _rows(found: Iterable[Task]) -> list[Row]:
    services: dict[str, list[Task]] = defaultdict(list)
    everything = list(found)
    for task in everything:
        services[task.service].append(task)
    rows = [_row(name, group) for name, group in services.items()]
    rows.sort(key=lambda row: -(row.cells[1] or Series.of(0)).median)
    rows.append(_row("all processes", everything))
    rows.append(_row("of this project", [task for task in everything if task.is_ours]))
    rows.append(_row("Python", [task for task in everything if task.is_python]))
    return rows


def _row(label: str, group: Iterable[Task]) -> Row:
    members = list(group)
    sizes = (sum(task.pss for task in members), sum(task.private for task in members))
    cells = (Series.of(len(members)), *(Series.of(size / 1024) for size in sizes))
    return Row(label, cells)


def _used(guest: Machine) -> tuple[float, float]:
    lines = guest.ssh("cat /proc/meminfo").splitlines()
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
    return sizes["MemTotal"] - sizes["MemAvailable"], sizes["MemTotal"]


def _notes(used: tuple[float, float]) -> tuple[str, ...]:
    return (
        "PSS: shared pages are divided among those who share them; the asking session is left out",
        f"aim: at most {_AIM_MIB} MiB for the programs of this project, and no Python",
        f"in use, kernel included (MemTotal - MemAvailable): {used[0]:.0f} of {used[1]:.0f} MiB",
    )


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = tables.options("memory", __doc__)
    top.add_argument("release", type=Path, help="output directory of build-image")
    top.add_argument("--memory", type=int, default=1024, metavar="MIB", help="of the machine")
    top.add_argument("--idle", type=float, default=_IDLE, metavar="SECONDS", help="to wait")
    return top


def main() -> int:
    """Entry point."""
    return tables.run(parser(), lambda options: [weigh(options)])


if __name__ == "__main__":
    sys.exit(main())
