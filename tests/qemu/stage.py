"""What a story acts with: images, a mirror, a machine, and a diary."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from builder.machine.acceleration import Verdict
from builder.machine.boards import Board
from builder.machine.guest import Machine, machine
from builder.machine.hardware import Hardware
from builder.machine.network import Forward
from builder.machine.world import World
from hostio.net.localsocket import free_port
from osmodel.faults import HostFailure
from tests.qemu.diary import Diary
from tests.qemu.workshop import MIRROR_ADDRESS, Mirror, Workshop

INSIDE = Path(__file__).with_name("inside.py")
_DISK_SIZE = 8 << 30
_GONE = "exit 255"  # how the OpenSSH client says that the connection broke


def _as_it_is(hardware: Hardware) -> Hardware:
    return hardware


@dataclass(slots=True)
class Stage:
    """One story's surroundings.

    Attributes:
        name: of the story.
        workshop: builds images.
        world: starts machines.
        board: what machine they are.
        accel: how it runs.
        directory: of this story's files; short, for there are sockets in it.
        diary: receives what is observed.
        machines: all that were started, so that they can be ended from outside.
    """

    name: str
    workshop: Workshop
    world: World
    board: Board
    accel: Verdict
    directory: Path
    diary: Diary
    machines: list[Machine] = field(default_factory=list)

    @contextlib.contextmanager
    def machine(
        self, release: Path, mirror: Mirror, fit: Callable[[Hardware], Hardware] = _as_it_is
    ) -> Iterator[Machine]:
        """A machine made from ``release`` that finds ``mirror``; not started yet.

        Args:
            release: directory of the image.
            mirror: served while the machine exists.
            fit: changes the hardware, for example its memory or what is attached to it.
        """
        with mirror.served(self.directory / "mirror.log") as port:
            forward = Forward(MIRROR_ADDRESS, 80, port)
            usual = Hardware(self.accel.accel, free_port(), forwards=(forward,), board=self.board)
            hardware = fit(usual)
            with machine(
                self.world, release, self.directory, hardware, disk_size=_DISK_SIZE
            ) as guest:
                self.machines.append(guest)
                yield guest


def inside(guest: Machine, *arguments: str) -> str:
    """Run ``inside.py`` in the guest."""
    guest.send(INSIDE.read_bytes(), "/run/inside.py")
    return guest.ssh(f"python3 -I /run/inside.py {' '.join(arguments)}")


def until_gone(guest: Machine, command: str) -> None:
    """Run a command that ends with a restart of the guest.

    Raises:
        HostFailure: the command failed before.
    """
    try:
        guest.ssh(command, timeout=900)
    except HostFailure as failure:
        if not str(failure).startswith(_GONE):
            raise


def restart(guest: Machine) -> None:
    """Restart the guest in good order; returns when that has begun."""
    until_gone(guest, "systemctl reboot")
