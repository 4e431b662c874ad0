"""Counts what a boot costs, against the same system started by Debian's initramfs.

Processor seconds of QEMU from power-on until the machine says that its boot is
complete and judged healthy; under emulation they hardly depend on the load of
the host, the wall clock does. Machines take turns. The first boot of each is a
line of its own: it makes keys and, on our side, the state partition.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench import places, tables
from bench.debianboot import Peer
from bench.spending import family_cpu
from bench.tables import Row, Table
from builder import local
from builder.machine.cli import choose, local_world
from builder.machine.guest import Machine, machine
from builder.machine.hardware import Accel, Hardware
from builder.machine.world import MachineWorld
from hostio.net.localsocket import free_port
from hostio.system.runner import Command
from hostio.system.spawner import Process, Spawner

_COLUMNS = ("CPU s", "wall s", "kernel and initrd, s", "the rest, s")
_DISK_SIZE = 8 << 30
_STAMPS = "systemctl show --value --property UserspaceTimestampMonotonic"
_NOTES = (
    "min / median / max of the rounds; x is the ratio of medians, below 1 is in our favour",
    "CPU: user and system time of QEMU, power-on (firmware) to boot complete and judged healthy",
    "kernel and initrd: as the guest's clock has it; the rest: wall clock without that",
    "our side checks the root by dm-verity and lays an overlay over /etc; the peer does neither",
)


@dataclass(slots=True)
class Watched:
    """A spawner that remembers what it started."""

    inner: Spawner
    started: list[Process] = field(default_factory=list)

    def spawn(self, command: Command, output: Path) -> Process:
        """See :meth:`Spawner.spawn`."""
        process = self.inner.spawn(command, output)
        self.started.append(process)
        return process


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two machines."""

    name: str
    guest: Machine
    watched: Watched
    world: MachineWorld

    def boot(self) -> tuple[float, float, float, float]:
        """Switch on, wait until ready, measure, and switch off in good order."""
        started = self.world.clock.monotonic()
        self.guest.start()
        self.guest.wait_ready()
        wall = self.world.clock.monotonic() - started
        cpu = family_cpu(self.watched.started[-1].pid)
        early = int(self.guest.ssh(_STAMPS)) / 1e6
        self.guest.shutdown()
        print(f"bench: {self.name}: {cpu:.1f} CPU s, {wall:.1f} s", file=sys.stderr, flush=True)
        return cpu, wall, early, wall - early


def compare(options: argparse.Namespace) -> Table:
    """Measure as the options say."""
    release = options.release.resolve()
    watched = Watched(local_world().spawner)
    world = replace(local_world(), spawner=watched)
    image = options.image.absolute()
    work = places.workplace("boot") / image.name
    disk = Peer(local.build_world(), world.tools, image, work).disk(release)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="twinkeel-")))
        accel = choose("auto", world, scratch)
        sides = []
        for name, source in (("Debian's initramfs", disk), ("Twinkeel", release)):
            hardware = Hardware(accel=Accel(accel.accel), ssh_port=free_port())
            place = scratch / name[0]
            guest = machine(world, source, place, hardware, disk_size=_DISK_SIZE)
            sides.append(Side(name, stack.enter_context(guest), watched, world))
        rows = _rows(sides, options.rounds)
    sizes = [path.stat().st_size / 1e6 for path in (disk / "uki.efi", release / "uki.efi")]
    kernels = f"kernel images: Debian's {sizes[0]:.1f} MB, ours {sizes[1]:.1f} MB"
    notes = (*_NOTES, kernels, f"{accel.accel}: {accel.reason}")
    return Table(f"Booting {release.name}", _COLUMNS, rows, notes)


def _rows(sides: Sequence[Side], rounds: int) -> tuple[Row, ...]:
    first = [[side.boot()] for side in sides]
    later: list[list[tuple[float, float, float, float]]] = [[] for _ in sides]
    for _ in range(rounds):
        for seen, side in zip(later, sides, strict=True):
            seen.append(side.boot())
    rows = []
    for kind, found in (("first boot", first), ("later boots", later)):
        peer = f"{sides[0].name}, {kind}"
        for side, values in zip(sides, found, strict=True):
            label = f"{side.name}, {kind}"
            rows.append(Row(label, tables.collect(values), "" if label == peer else peer))
    return tuple(rows)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = tables.options("boot", __doc__)
    top.add_argument("release", type=Path, help="output directory of build-image")
    top.add_argument("--image", type=Path, default=places.ROOT / "images/minimal")
    top.add_argument("--rounds", type=int, default=3, help="boots per side (default 3)")
    return top


def main() -> int:
    """Entry point."""
    return tables.run(parser(), lambda options: [compare(options)])


if __name__ == "__main__":
    sys.exit(main())
