"""What a scenario runs on: images, a mirror, a machine and the record of what is observed."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from builder.machine.acceleration import Verdict
from builder.machine.boards import Board
from builder.machine.guest import Machine, machine
from builder.machine.hardware import Hardware
from builder.machine.network import Forward
from builder.machine.world import MachineWorld
from hostio.net.localsocket import free_port
from osmodel.faults import HostFailure
from tests import documented
from tests.qemu.observations import Observations
from tests.qemu.releases import MIRROR_ADDRESS, Mirror, Releases

GUEST_COMMANDS = Path(__file__).with_name("guestcommands.py")
_DISK_SIZE = 8 << 30
_GONE = "exit 255"  # how the OpenSSH client says that the connection broke


def _unchanged(hardware: Hardware) -> Hardware:
    return hardware


@dataclass(slots=True)
class Testbed:
    """Everything one scenario needs.

    Attributes:
        name: of the scenario.
        releases: builds images and makes mirrors.
        world: starts machines.
        board: the kind of machine.
        accel: how it runs.
        directory: of this scenario's files; short, for there are sockets in it.
        observed: receives what is observed.
        machines: all that were started, so that they can be ended from outside.
    """

    __test__: ClassVar[bool] = False  # pytest takes classes of this name for tests

    name: str
    releases: Releases
    world: MachineWorld
    board: Board
    accel: Verdict
    directory: Path
    observed: Observations
    machines: list[Machine] = field(default_factory=list)

    @contextlib.contextmanager
    def machine(
        self, release: Path, mirror: Mirror, configure: Callable[[Hardware], Hardware] = _unchanged
    ) -> Iterator[Machine]:
        """A machine made from ``release`` that finds ``mirror``; not started yet.

        Args:
            release: directory of the image.
            mirror: served while the machine exists.
            configure: changes the hardware, for example its memory or what is attached to it.
        """
        with mirror.served(self.directory / "mirror.log") as port:
            forward = Forward(MIRROR_ADDRESS, 80, port)
            usual = Hardware(self.accel.accel, free_port(), forwards=(forward,), board=self.board)
            hardware = configure(usual)
            with machine(
                self.world, release, self.directory, hardware, disk_size=_DISK_SIZE
            ) as guest:
                self.machines.append(guest)
                yield guest


def run_in_guest(guest: Machine, *arguments: str) -> str:
    """Run a command of ``guestcommands.py`` in the guest."""
    guest.send(GUEST_COMMANDS.read_bytes(), "/run/guestcommands.py")
    return guest.ssh(f"python3 -I /run/guestcommands.py {' '.join(arguments)}")


def run_until_reboot(guest: Machine, command: str) -> None:
    """Run a command that ends with a reboot of the guest.

    Raises:
        HostFailure: the command failed before.
    """
    try:
        guest.ssh(command, timeout=900)
    except HostFailure as failure:
        if not str(failure).startswith(_GONE):
            raise


def reboot(guest: Machine) -> None:
    """Reboot the guest in good order; returns when that has begun."""
    run_until_reboot(guest, "systemctl reboot")


def run_documented(testbed: Testbed, guest: Machine, values: Mapping[str, str]) -> None:
    """Run what documents show of a machine like this, as typed in an empty directory.

    Each is recorded as ``documented: COMMAND``: what it printed, then its exit status.

    Args:
        testbed: whose scenario has such commands.
        guest: the machine.
        values: of the words that stand for something.
    """
    guest.ssh("mkdir -p /var/reader")
    for line in documented.on_machine(testbed.name):
        typed = " ".join(values.get(word, word) for word in line.split())
        command = f"cd /var/reader; {typed} 2>&1; echo exit $?"
        testbed.observed.record(f"documented: {line}", guest.ssh(command, timeout=900))
