"""One virtual machine as data: what it consists of and which files are its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network
from pathlib import Path

from builder.machine import smbios
from builder.machine.boards import TRAITS, Board, Traits
from builder.machine.network import DEFAULT_NETWORK, Forward
from osmodel.faults import InvalidInput

SSH_KEY_CREDENTIAL = "ssh.authorized_keys.root"


class Accel(StrEnum):
    """Who runs the guest's instructions."""

    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True, slots=True)
class Hardware:
    """What the machine is made of.

    Attributes:
        accel: who runs the instructions.
        memory_mib: size of the memory in MiB; some boards have a size of their own.
        cpus: number of processors; likewise.
        ssh_port: port of this host's loopback address that leads to the guest's sshd.
        forwards: services of this host the guest may reach.
        credentials: systemd credentials handed to the guest, by name.
        network: the guest's; addresses of ``forwards`` are in it.
        media: raw images that the guest sees as further disks it cannot write to.
        smbios: names in the firmware's tables, see :mod:`builder.machine.smbios`.
        kernel_args: added to the command line of the kernel image.
        board: the kind of machine.
    """

    accel: Accel
    ssh_port: int
    memory_mib: int = 1024
    cpus: int = 2
    forwards: tuple[Forward, ...] = ()
    credentials: Mapping[str, bytes] = field(default_factory=dict)
    network: IPv4Network = DEFAULT_NETWORK
    media: tuple[Path, ...] = ()
    smbios: Mapping[str, str] = field(default_factory=dict)
    kernel_args: tuple[str, ...] = ()
    board: Board = Board.PC

    @property
    def traits(self) -> Traits:
        """What its board decides."""
        return TRAITS[self.board]

    def check(self) -> None:
        """Refuse what the machine cannot have.

        Raises:
            InvalidInput: it is asked for all the same.
        """
        smbios.check(self.smbios, self.credentials)
        if self.traits.is_virtual:
            return
        wanted = {
            "forwarded ports": self.forwards,
            "credentials": self.credentials,
            "media": self.media,
            "firmware tables": self.smbios,
            "further words for the kernel": self.kernel_args,
        }
        for name, value in wanted.items():
            if value:
                raise InvalidInput(
                    f"{self.board} has no {name} here",
                    hint=f"the same image runs on {Board.U_BOOT}, which has",
                )


@dataclass(frozen=True, slots=True)
class MachineFiles:
    """Files of one machine, all in its own directory.

    Attributes:
        directory: the machine's directory; its path must be short (Unix sockets).
    """

    directory: Path

    @property
    def disk(self) -> Path:
        """Copy-on-write overlay over the built image."""
        return self.directory / "disk.qcow2"

    @property
    def variables(self) -> Path:
        """The firmware's variables."""
        return self.directory / "variables.fd"

    @property
    def kernel(self) -> Path:
        """What a board's own firmware starts, taken from the image."""
        return self.directory / "kernel.bin"

    @property
    def device_tree(self) -> Path:
        """The board's description, taken from the image."""
        return self.directory / "board.dtb"

    @property
    def console(self) -> Path:
        """All that the serial console printed, over all starts."""
        return self.directory / "console.log"

    @property
    def reports(self) -> Path:
        """All lines of the report port, over all starts."""
        return self.directory / "reports.jsonl"

    @property
    def output(self) -> Path:
        """What QEMU itself printed."""
        return self.directory / "qemu.log"

    @property
    def monitor(self) -> Path:
        """QEMU's control socket."""
        return self.directory / "qmp"

    @property
    def key(self) -> Path:
        """Private SSH key of this machine's operator."""
        return self.directory / "key"
